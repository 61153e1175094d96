"""One import on its way: the resume set, then history in the order that references need."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract.manifest import BackupObject, ObjectSet
from mwaa_dr_metadata import oracle, preflight
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.ciphertext import decode
from mwaa_dr_metadata.control import PAUSE_ALL
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.deletions import Deletions, out_of_date, read_deletions
from mwaa_dr_metadata.guarded import again_if_worth_it
from mwaa_dr_metadata.merge import Mode, has_mine, prune_orphans
from mwaa_dr_metadata.model import ImportOptions, Progress, ProgressCallback, TableCheck
from mwaa_dr_metadata.parent import run_keys
from mwaa_dr_metadata.parts import OutOfDate, PartWriter, RunKey
from mwaa_dr_metadata.plan import Plan
from mwaa_dr_metadata.results import Results, conflicts, interrupted
from mwaa_dr_metadata.rules import Merge, Where
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.selection import HISTORY, RESUME, RUNS, SHARED, SLICES, guards
from mwaa_dr_metadata.session import Session, literal, quote


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of a history import.

    Args:
        label: for progress and report.
        group: `SHARED`, `RUNS` or `SLICES`.
    """

    backup: Backup
    label: str
    group: str
    items: Sequence[BackupObject]
    out_of_date: OutOfDate


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that the parts of one import share.

    Args:
        chain: the backup and those it rests on, newest first.
    """

    engine: Engine
    sealer: Sealer
    chain: Sequence[Backup]
    fernet: MultiFernet | None
    plan: Plan
    options: ImportOptions
    progress: ProgressCallback | None
    results: Results

    @property
    def backup(self) -> Backup:
        return self.chain[0]

    def writer(
        self,
        backup: Backup,
        mode: Mode,
        stale: OutOfDate | None = None,
        *,
        untouched: Iterable[str] = (),
        only: frozenset[RunKey] | None = None,
        same_numbers: bool = False,
    ) -> PartWriter:
        return PartWriter(
            backup=backup,
            fernet=self.fernet,
            plan=self.plan,
            mode=mode,
            progress=self.progress,
            allow_unencrypted=self.options.allow_unencrypted,
            out_of_date=stale or OutOfDate(),
            untouched=frozenset(untouched),
            only=only,
            same_numbers=same_numbers,
        )

    def resume(
        self,
        backup: Backup | None = None,
        *,
        follow: bool = False,
        only: frozenset[RunKey] | None = None,
        also: Callable[[Session], None] | None = None,
        session: Session | None = None,
    ) -> None:
        """Write the resume set in one transaction, every DAG paused.

        Args:
            backup: another one than the newest.
            follow: rows that the source lost go.
            only: of runs that are there already, replace just these, and unfinished ones.
            also: what belongs into the same transaction.
            session: the transaction to work in, instead of one of its own.
        """
        source = backup or self.backup
        items, dags = source.objects(ObjectSet.RESUME), source.oracle()
        writer = self.writer(
            source, Mode(replace=True, follow=follow, queues=True, verify=True), only=only
        )
        self._note_not_carried(items)

        def once(session: Session) -> None:
            checks = writer.write(session, RESUME, items)
            session.execute(PAUSE_ALL)
            lost = interrupted(session) if has_mine(session) else []
            new = conflicts(session)
            schedule = oracle.differences(dags, oracle.read_next_runs(session))
            if also is not None:
                also(session)
            prune_orphans(session, self.plan)
            # The ownership may have moved while we worked: ask again before it counts.
            preflight.check_ownership(self.options)
            self._tell("commit", RESUME)
            self.results.tables += checks
            self.results.interrupted = lost
            self.results.conflicts += new
            self.results.schedule = schedule
            self.results.applied.insert(0, source.manifest.backup_id)

        def in_a_transaction() -> None:
            with transaction(self.engine) as own:
                once(own)

        if session is None:
            again_if_worth_it(in_a_transaction)
        else:
            once(session)

    def history(self, *, replace_runs: bool = False) -> None:
        """Write everything else of the chain; runs that exist stay, unless they are replaced.

        Shared tables come first, because runs refer to them, oldest first, because the newest has
        the last word; then runs, newest first; then the audit log.
        """
        mode = Mode(replace=replace_runs)
        untouched = self.untouched_ledgers()
        with transaction(self.engine) as session:
            self.write_parents(session)
        steps = self.steps()
        shared = [step for step in steps if step.group == SHARED]
        for step in reversed(shared):
            self.write_step(step, mode, untouched)
        for _, level in groupby(
            (step for step in steps if step.group == RUNS), key=lambda step: step.backup.prefix
        ):
            self.write_together(list(level), mode, untouched)
        self.write_together([step for step in steps if step.group == SLICES], mode, untouched)

    def write_parents(self, session: Session) -> None:
        """Merge what history refers to and only the resume set carries, which changes nothing
        where that was written before."""
        parents = self.plan.parents
        items = [item for item in self.backup.objects(ObjectSet.RESUME) if item.table in parents]
        self.writer(self.backup, Mode()).write(session, f"{HISTORY}/{RESUME}", items)

    def steps(self) -> list[Step]:
        """All transactions that history needs, backup by backup, the newest first."""
        found: list[Step] = []
        newer: list[Deletions] = []
        for level, backup in enumerate(self.chain):
            stale = out_of_date(newer)
            items = backup.objects(ObjectSet.HISTORY, ObjectSet.CHANGES)
            if level == len(self.chain) - 1:
                items = backup.objects(ObjectSet.HISTORY)
            for folder, group in groupby(sorted(items, key=_folder), key=_folder):
                kind = folder.rpartition("/")[2][0]
                of_part = [i for i in group if not level or kind != SHARED or self._is_ledger(i)]
                self._note_not_carried(of_part)
                if of_part:
                    label = f"{HISTORY}/{folder.rpartition('/')[2]}"
                    found.append(Step(backup, label, kind, of_part, stale))
            if level:
                # What only an older resume set has: the latest run then, long superseded now.
                old = backup.objects(ObjectSet.RESUME)
                for kind, wanted in ((SHARED, self._is_ledger), (RUNS, self._is_by_run)):
                    if items := [item for item in old if wanted(item)]:
                        found.append(Step(backup, f"{HISTORY}/{RESUME}", kind, items, stale))
            if level < len(self.chain) - 1:
                newer.append(read_deletions(backup))
        return found

    def changes(self, backup: Backup) -> list[Step]:
        """The transactions that bring a target from a backup's parent to it, the resume set apart.

        All runs that changed are replaced, so nothing in it is out of date.
        """
        items = sorted(backup.objects(ObjectSet.CHANGES), key=_folder)
        return [
            Step(backup, folder, folder.rpartition("/")[2][0], list(group), OutOfDate())
            for folder, group in groupby(items, key=_folder)
        ]

    def write_step(self, step: Step, mode: Mode, untouched: frozenset[str] = frozenset()) -> None:
        """Write one transaction of history."""
        writer = self.writer(step.backup, mode, step.out_of_date, untouched=untouched)
        checks, new = self._transaction(writer, step.label, step.items)
        self.results.tables += checks
        self.results.conflicts += new

    def write_together(
        self, steps: Sequence[Step], mode: Mode, untouched: frozenset[str] = frozenset()
    ) -> None:
        """Steps that do not touch each other's rows, several at once."""
        with ThreadPoolExecutor(max(1, self.options.workers), thread_name_prefix="import") as pool:
            futures = [pool.submit(self.write_step, step, mode, untouched) for step in steps]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _transaction(
        self, writer: PartWriter, label: str, items: Sequence[BackupObject]
    ) -> tuple[list[TableCheck], list[dict[str, str]]]:
        def once() -> tuple[list[TableCheck], list[dict[str, str]]]:
            with transaction(self.engine) as session:
                checks = writer.write(session, label, items)
                runs = any(item.table == "dag_run" for item in items)
                found = conflicts(session) if runs else []
                self._tell("commit", label)
            return checks, found

        return again_if_worth_it(once)

    def with_chain(self, chain: Sequence[Backup]) -> "Work":
        """The same import with everything that its backup rests on."""
        return replace(self, chain=chain)

    def list_kept(self) -> None:
        """Find the runs that only the target has."""
        known = {
            (decode(dag_id), decode(run_id)) for dag_id, run_id in run_keys(self.backup).values()
        }
        guard = " AND ".join(guards(self.plan.tables["dag_run"].rule))
        with transaction(self.engine) as session:
            self.results.kept += [
                {"dag_id": dag_id, "run_id": run_id, "state": state}
                for dag_id, run_id, state in session.rows(
                    f"SELECT t.dag_id, t.run_id, t.state FROM dag_run t WHERE {guard} ORDER BY 1, 2"
                )
                if (dag_id, run_id) not in known
            ]

    def untouched_ledgers(self) -> frozenset[str]:
        """Ledgers without a row from before the snapshot."""
        at = literal(self.backup.manifest.snapshot_at)
        with transaction(self.engine) as session:
            return frozenset(
                table.name
                for table in self.plan.tables.values()
                if table.rule.merge is Merge.LEDGER
                and not session.rows(
                    f"SELECT 1 FROM {quote(table.name)} t WHERE "
                    f"{' AND '.join(guards(table.rule))} "
                    f"AND t.{quote(table.rule.time)} <= {at}::timestamptz LIMIT 1"
                )
            )

    def _is_ledger(self, item: BackupObject) -> bool:
        table = self.plan.tables.get(item.table)
        return table is not None and table.rule.merge is Merge.LEDGER

    def _is_by_run(self, item: BackupObject) -> bool:
        table = self.plan.tables.get(item.table)
        return table is not None and table.rule.resume is Where.BY_RUN

    def _note_not_carried(self, items: Iterable[BackupObject]) -> None:
        for item in items:
            if item.table not in self.plan.tables and item.rows:
                self.results.not_carried[item.table] = "the target has no such table"

    def _tell(self, step: str, part: str) -> None:
        if self.progress is not None:
            self.progress(Progress(step, part))


def _folder(item: BackupObject) -> str:
    return item.key.rpartition("/")[0]
