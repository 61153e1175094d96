"""Loads the objects of a part into temporary tables and says in SQL what becomes of their rows."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import MultiFernet

from contract.manifest import BackupObject
from mwaa_dr_metadata.backups import Backup, check_read
from mwaa_dr_metadata.ciphertext import RowReader, closer, fields_of
from mwaa_dr_metadata.errors import TargetRefusedError
from mwaa_dr_metadata.inflight import interrupted
from mwaa_dr_metadata.plan import REF_SEPARATOR, PlannedTable, reference_column
from mwaa_dr_metadata.rules import IDENTITY_TYPES, Merge, Ref
from mwaa_dr_metadata.selection import guards
from mwaa_dr_metadata.session import Reader, Session, listed, quote

PREFIX = "mwaa_dr_stage_"
MINE = f"{PREFIX}_runs"
"""(id, dag_id, run_id) of the runs whose children this transaction may write."""
ORDER = "mwaa_dr_n"
"""The rows' order in the object."""


@dataclass(frozen=True, slots=True)
class Staged:
    """One table of a part, loaded.

    Args:
        columns: plain columns of the object; all of them exist in the target.
        rows: how many there are.
        snapshot_at: when they were true.
    """

    table: PlannedTable
    columns: tuple[str, ...]
    rows: int
    snapshot_at: str

    @property
    def name(self) -> str:
        return quote(PREFIX + self.table.name)

    @property
    def targets(self) -> list[str]:
        """Columns that a merge writes: the plain ones, then the references."""
        return [*self.columns, *(ref.column for ref in self.table.rule.refs)]

    def final(self, *extra: str, drop: Mapping[str, str] | None = None) -> str:
        """A SELECT of the rows as they are to be in the target, named like its columns.

        Args:
            extra: further expressions over the staged row `s`.
            drop: column -> expression to use instead of everything else.
        """
        rule = self.table.rule
        replaced = {
            **dict.fromkeys(rule.nulls, "NULL"),
            **interrupted(self.table.name, self.snapshot_at),
            **rule.fixed,
            **(drop or {}),
        }
        selected = [
            f"{replaced.get(column, f's.{quote(column)}')}::{self.table.table.columns[column].type}"
            f" AS {quote(column)}"
            for column in self.columns
        ]
        selected += [f"r{n}.id AS {quote(ref.column)}" for n, ref in enumerate(rule.refs)]
        return f"SELECT {', '.join([*selected, *extra])} FROM {self.name} s {self.joins()}"

    def joins(self) -> str:
        """The parents of the staged row `s`: `r0`, `r1`, ... by their identities."""
        rule = self.table.rule
        joins = [self._join(n, ref) for n, ref in enumerate(rule.refs)]
        if rule.merge is Merge.OF_RUN and not any(ref.parent == "dag_run" for ref in rule.refs):
            joins.append(f"JOIN {MINE} m ON m.dag_id = s.dag_id AND m.run_id = s.run_id")
        return " ".join(joins)

    def _join(self, number: int, ref: Ref) -> str:
        alias = f"r{number}"
        identity = self.table.identity[ref.parent]
        matches = " AND ".join(
            f"{alias}.{quote(part)} = s.{quote(reference_column(ref, part))}" for part in identity
        )
        if ref.parent == "dag_run":
            return f"JOIN {MINE} {alias} ON {matches}"
        names = listed(list(identity))
        parts = ", ".join(f"{sql.format(p='p')} AS {quote(part)}" for part, sql in identity.items())
        narrow = (
            f"WHERE p.timestamp IN (SELECT {quote(reference_column(ref, 'timestamp'))} "
            f"FROM {self.name})"
            if "timestamp" in identity
            else ""
        )
        return (
            f"LEFT JOIN (SELECT min(x.id) AS id, {names} FROM (SELECT p.id, {parts} "
            f"FROM {quote(ref.parent)} p {narrow}) x GROUP BY {names}) {alias} ON {matches}"
        )

    def unresolved(self, session: Session) -> str:
        """The first required reference that some rows cannot resolve; empty if all can."""
        for number, ref in enumerate(self.table.rule.refs):
            if not ref.required or ref.parent == "dag_run":
                continue
            first = next(iter(self.table.identity[ref.parent]))
            lost = session.value(
                f"SELECT count(*) FROM {self.name} s {self.joins()} WHERE r{number}.id IS NULL "
                f"AND s.{quote(reference_column(ref, first))} IS NOT NULL"
            )
            if lost:
                return f"{lost} rows of {self.table.name} point to a {ref.parent} that is not there"
        return ""


def stage(
    session: Session,
    backup: Backup,
    item: BackupObject,
    table: PlannedTable,
    fernet: MultiFernet | None,
    *,
    allow_unencrypted: bool,
) -> Staged:
    """Load one object and compare it with the manifest.

    Raises:
        BackupRefusedError: the object is not what the manifest says.
        TargetRefusedError: the target lacks one of its columns.
    """
    columns = tuple(name for name in item.columns if REF_SEPARATOR not in name)
    foreign = [name for name in columns if name not in table.table.columns]
    if foreign or set(item.columns) - set(columns) - set(table.carried):
        raise TargetRefusedError(
            f"the target's table {table.name} lacks {foreign or item.columns}; restore into an "
            "environment of the same Airflow version"
        )
    staged = Staged(table, columns, item.rows, backup.manifest.snapshot_at)
    types = {name: table.table.columns[name].type for name in columns}
    definition = ", ".join(
        f"{quote(name)} {types.get(name) or IDENTITY_TYPES.get(_part(name), 'text')}"
        for name in item.columns
    )
    session.execute(
        f"CREATE TEMP TABLE {staged.name} ({definition}, {ORDER} bigserial) ON COMMIT DROP"
    )
    reader = backup.rows(item)
    source: Reader = reader
    fields = fields_of(table.rule.sealed, item.columns)
    if fields is not None:
        transform = closer(fields, fernet, allow_unencrypted=allow_unencrypted)
        source = RowReader(reader, transform)
    loaded = session.copy_in(staged.name, listed(item.columns), source)
    reader.drain()
    check_read(item, reader)
    conditions = " AND ".join(guards(table.rule))
    if conditions:
        loaded -= session.execute(f"DELETE FROM {staged.name} t WHERE NOT ({conditions})")
    session.execute(f"ANALYZE {staged.name}")
    return Staged(table, columns, loaded, backup.manifest.snapshot_at)


def _part(name: str) -> str:
    return name.partition(REF_SEPARATOR)[2]
