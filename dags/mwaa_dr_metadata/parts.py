"""Writes one part of a backup into the target, within one transaction: all of it or nothing."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from cryptography.fernet import MultiFernet

from contract.manifest import BackupObject, ObjectSet, RowFormat
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.checks import check, check_counts
from mwaa_dr_metadata.errors import ImportVerificationError
from mwaa_dr_metadata.inflight import UNFINISHED_RUNS
from mwaa_dr_metadata.merge import Mode, create_mine, has_mine, merge
from mwaa_dr_metadata.model import Progress, ProgressCallback, TableCheck
from mwaa_dr_metadata.plan import Plan, PlannedTable
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import RESUME
from mwaa_dr_metadata.session import Session, listed, literal, quote
from mwaa_dr_metadata.staging import MINE, PREFIX, Staged, load, stage
from mwaa_dr_metadata.state import unit_conditions

KEYS = f"{PREFIX}_keys"
ROWS = (ObjectSet.RESUME, ObjectSet.HISTORY, ObjectSet.CHANGES)
REPORTED = ("dag_run", "task_instance")

RunKey = tuple[bytes, bytes]
"""DAG id and run id as fields of COPY text."""


@dataclass(frozen=True, slots=True)
class OutOfDate:
    """What newer backups of a chain know better than the one that is being written.

    Args:
        runs: natural keys, as fields of COPY text, of runs that are gone.
        units: ledger -> units that lost rows; the newer backup carried what is left of them.
    """

    runs: frozenset[RunKey] = frozenset()
    units: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartWriter:
    """How parts of one backup are written.

    Args:
        untouched: ledgers of the target without a row from before the snapshot: nothing in them
            can be a row of the backup already.
        only: of runs that are there already, replace just these, and unfinished ones.
        same_numbers: runs keep the ids that they had in the source.
    """

    backup: Backup
    fernet: MultiFernet | None
    plan: Plan
    mode: Mode
    progress: ProgressCallback | None
    allow_unencrypted: bool = False
    out_of_date: OutOfDate = field(default_factory=OutOfDate)
    untouched: Collection[str] = ()
    only: frozenset[RunKey] | None = None
    same_numbers: bool = False

    def write(self, session: Session, part: str, items: Sequence[BackupObject]) -> list[TableCheck]:
        """Stage, merge and check every table of a part.

        Raises:
            BackupRefusedError: an object is not what the manifest says.
            ImportVerificationError: what is read back is not what was meant.
        """
        create_mine(session)
        by_table = {item.table: item for item in items}
        checks: list[TableCheck] = []
        runs = sum(i.rows for i in items if self._is_run(i))
        for table in self.plan.ordered({*by_table, *self._emptied(by_table, part)}):
            item = by_table.get(table.name)
            if table.rule.merge is Merge.OF_RUN and not has_mine(session):
                # Every run of the part was there already, so all that hangs on them was too.
                rows = item.rows if item else 0
                checks.append(TableCheck(table.name, part, 0, 0, matched=True, skipped=rows))
                continue
            if item and self._goes_straight_in(session, table, item, runs):
                checks.append(self._copy(session, part, item, table))
                continue
            checks.append(self._merge(session, part, item, table))
        return checks

    def _emptied(self, by_table: Mapping[str, BackupObject], part: str) -> list[str]:
        """Tables without rows in the backup that are to be looked at all the same: rows of the
        target have to go, or the report asks for them."""
        stored = {item.table for item in self.backup.objects(*ROWS)}
        runs_are_replaced = self.mode.replace and "dag_run" in by_table

        def wanted(name: str, table: PlannedTable) -> bool:
            rule = table.rule
            if runs_are_replaced and (rule.merge is Merge.OF_RUN or rule.queue):
                return True
            return part == RESUME and bool(
                name in REPORTED
                or (rule.merge is Merge.MIRROR and name not in stored)
                or (self.mode.queues and rule.queue)
                or (self.mode.follow and rule.follows and name not in stored)
            )

        return [
            name
            for name, table in self.plan.tables.items()
            if name not in by_table and wanted(name, table)
        ]

    def _goes_straight_in(
        self, session: Session, table: PlannedTable, item: BackupObject, runs: int
    ) -> bool:
        """Whether rows need nothing done to them and cannot meet any that are there.

        Args:
            runs: how many runs the part has; if all of them were inserted, so are their children.
        """
        valid = item.columns if self.same_numbers else ()
        translated = {ref.column for ref in table.rule.refs}.difference(valid)
        if translated or table.rule.versions or item.format is not RowFormat.BINARY:
            return False
        if item.set is ObjectSet.RESUME:
            return False  # it has unfinished work, which is written in another form
        own = {name: column.type for name, column in table.table.columns.items()}
        if any(own.get(name) != kind for name, kind in zip(item.columns, item.types, strict=True)):
            return False
        if table.rule.merge is Merge.LEDGER:
            return table.name in self.untouched and not self.out_of_date.units.get(table.name)
        if table.rule.merge is not Merge.OF_RUN or self.mode.verify:
            return False
        return session.value(f"SELECT count(*) FROM {MINE} WHERE is_new") == runs

    def _is_run(self, item: BackupObject) -> bool:
        table = self.plan.tables.get(item.table)
        return table is not None and table.rule.merge is Merge.RUN

    def _copy(
        self, session: Session, part: str, item: BackupObject, table: PlannedTable
    ) -> TableCheck:
        rows = load(session, quote(table.name), item, self.backup.rows(item))
        self._tell("merge", part, table.name, rows, item.size)
        return TableCheck(table.name, part, item.rows, rows, matched=True)

    def stage(self, session: Session, item: BackupObject | None, table: PlannedTable) -> Staged:
        """Load an object's rows, without those that are ruled out."""
        staged = stage(
            session,
            self.backup,
            item,
            table,
            self.fernet,
            allow_unencrypted=self.allow_unencrypted,
            same_numbers=self.same_numbers,
        )
        return self._pruned(session, staged)

    def _merge(
        self, session: Session, part: str, item: BackupObject | None, table: PlannedTable
    ) -> TableCheck:
        staged = self.stage(session, item, table)
        self._tell("stage", part, table.name, staged.rows, item.size if item else 0)
        written = merge(session, staged, self.mode)
        self._tell("merge", part, table.name, staged.rows)
        if self.mode.verify:
            result = check(session, staged, part)
        else:
            result = check_counts(session, staged, part, written)
        self._tell("verify", part, table.name, result.present)
        if not result.matched:
            raise ImportVerificationError(
                f"{part}: table {result.table} holds {result.present} of {result.expected} rows as "
                "the backup has them; nothing of this part was kept"
            )
        return result

    def _pruned(self, session: Session, staged: Staged) -> Staged:
        """Without the rows that newer backups, or the caller, have ruled out."""
        gone = 0
        if staged.table.rule.merge is Merge.RUN:
            if self.out_of_date.runs:
                gone += _delete_runs(session, staged, self.out_of_date.runs, "k.dag_id IS NOT NULL")
            if self.only is not None:
                unfinished = f"s.state IN ({listed(UNFINISHED_RUNS, literal)})"
                there = (
                    f"EXISTS (SELECT FROM {quote(staged.table.name)} r "
                    "WHERE r.dag_id = s.dag_id AND r.run_id = s.run_id)"
                )
                gone += _delete_runs(
                    session,
                    staged,
                    self.only,
                    f"k.dag_id IS NULL AND {unfinished} IS NOT TRUE AND {there}",
                )
        units = self.out_of_date.units.get(staged.table.name)
        if staged.table.rule.merge is Merge.LEDGER and units:
            conditions = " OR ".join(f"({one})" for one in unit_conditions(staged.table, units))
            gone += session.execute(f"DELETE FROM {staged.name} t WHERE {conditions}")
        return staged.fewer(gone)

    def _tell(self, step: str, part: str, table: str, rows: int, size: int = 0) -> None:
        if self.progress is not None:
            self.progress(Progress(step, part, table, rows, size))


def _delete_runs(session: Session, staged: Staged, runs: frozenset[RunKey], condition: str) -> int:
    """Take runs out of the staged ones.

    Args:
        condition: on the staged row `s` and its entry `k` among `runs`, if it has one.
    """
    stage_keys(session, runs)
    return session.execute(
        f"DELETE FROM {staged.name} d USING {staged.name} s LEFT JOIN {KEYS} k "
        f"ON k.dag_id = s.dag_id AND k.run_id = s.run_id "
        f"WHERE d.dag_id = s.dag_id AND d.run_id = s.run_id AND {condition}"
    )


def stage_keys(session: Session, runs: Collection[RunKey]) -> None:
    """Load natural keys of runs into the temporary table `KEYS`, anew."""
    session.execute(f"DROP TABLE IF EXISTS {KEYS}")
    session.execute(f"CREATE TEMP TABLE {KEYS} (dag_id text, run_id text) ON COMMIT DROP")
    lines = b"".join(b"\t".join(key) + b"\n" for key in sorted(runs))
    session.copy_in(KEYS, "dag_id, run_id", BytesIO(lines))
