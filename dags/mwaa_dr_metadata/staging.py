"""Loads the objects of a part into temporary tables and says in SQL what becomes of their rows."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from cryptography.fernet import MultiFernet

from contract.manifest import BackupObject, RowFormat
from mwaa_dr_metadata.backups import Backup, check_read
from mwaa_dr_metadata.ciphertext import RowReader, closer, fields_of
from mwaa_dr_metadata.errors import BackupRefusedError, TargetRefusedError
from mwaa_dr_metadata.inflight import interrupted
from mwaa_dr_metadata.plan import REF_SEPARATOR, PlannedTable
from mwaa_dr_metadata.rules import REACHES_RUN, RUN_IDS, Merge, Ref
from mwaa_dr_metadata.selection import guards
from mwaa_dr_metadata.session import Reader, Session, listed, quote
from mwaa_dr_metadata.streams import DecryptingReader

PREFIX = "mwaa_dr_stage_"
MINE = f"{PREFIX}_runs"
"""(id, dag_id, run_id) of the runs whose children this transaction may write."""
ORDER = "mwaa_dr_n"
"""The rows' order in the object."""
LARGE = frozenset({"bytea", "json", "jsonb"})
"""Types of columns with values that PostgreSQL would compress."""
NEWEST_VERSIONS = (
    "SELECT DISTINCT ON (dag_id) dag_id, id FROM dag_version ORDER BY dag_id, version_number DESC"
)


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

    def fewer(self, rows: int) -> "Staged":
        """After `rows` of them were taken out."""
        return replace(self, rows=self.rows - rows)

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
            **dict.fromkeys(rule.versions, "v.id"),
            **interrupted(self.table.name, self.snapshot_at),
            **rule.fixed,
            **(drop or {}),
        }
        selected = [
            f"{replaced.get(column, f's.{quote(column)}')}::{self.table.table.columns[column].type}"
            f" AS {quote(column)}"
            for column in self.columns
        ]
        selected += [f"{self._id(n, r)} AS {quote(r.column)}" for n, r in enumerate(rule.refs)]
        select = f"SELECT {', '.join([*selected, *extra])} FROM {self.name} s {self.joins()}"
        if rule.queue is None:
            return select
        run = f"r{rule.refs.index(rule.queue)}.id"
        return f"{select} WHERE {run} IS NOT NULL OR s.{self._first_part(rule.queue)} IS NULL"

    def _id(self, number: int, ref: Ref) -> str:
        if not ref.text:
            return f"r{number}.id"
        return f"coalesce(r{number}.id::text, s.{self._first_part(ref)})"

    def _first_part(self, ref: Ref) -> str:
        """The column that says whether the row pointed to anything."""
        return quote(next(iter(self.table.reference(ref).values())))

    def joins(self) -> str:
        """The parents of the staged row `s`: `r0`, `r1`, ... by their identities."""
        rule = self.table.rule
        joins = [self._join(n, ref) for n, ref in enumerate(rule.refs)]
        if rule.merge is Merge.OF_RUN and not any(ref.parent == "dag_run" for ref in rule.refs):
            joins.append(self.table.to_run("s", MINE, "m"))
        if rule.versions:
            joins.append(f"LEFT JOIN ({NEWEST_VERSIONS}) v ON v.dag_id = s.dag_id")
        return " ".join(joins)

    def _join(self, number: int, ref: Ref) -> str:
        alias = f"r{number}"
        identity, columns = self.table.identity[ref.parent], self.table.reference(ref)
        matches = " AND ".join(
            f"{alias}.{quote(part)} = s.{quote(name)}" for part, name in columns.items()
        )
        if ref.parent == "dag_run":
            join = "LEFT JOIN" if self.table.rule.queue == ref else "JOIN"
            return f"{join} {MINE} {alias} ON {matches}"
        names = listed(list(identity))
        parts = ", ".join(f"{sql.format(p='p')} AS {quote(part)}" for part, sql in identity.items())
        narrow = (
            f"WHERE p.timestamp IN (SELECT {quote(columns['timestamp'])} FROM {self.name})"
            if "timestamp" in identity
            else ""
        )
        join = "JOIN" if ref.together else "LEFT JOIN"
        return (
            f"{join} (SELECT min(x.id) AS id, {names} FROM (SELECT p.id, {parts} "
            f"FROM {quote(ref.parent)} p {narrow}) x GROUP BY {names}) {alias} ON {matches}"
        )

    def unresolved(self, session: Session) -> str:
        """The first required reference that some rows cannot resolve; empty if all can."""
        for number, ref in enumerate(self.table.rule.refs):
            if not ref.required or ref.together or ref.parent == "dag_run":
                continue
            lost = session.value(
                f"SELECT count(*) FROM {self.name} s {self.joins()} WHERE r{number}.id IS NULL "
                f"AND s.{self._first_part(ref)} IS NOT NULL"
            )
            if lost:
                return f"{lost} rows of {self.table.name} point to a {ref.parent} that is not there"
        return ""


def stage(
    session: Session,
    backup: Backup,
    item: BackupObject | None,
    table: PlannedTable,
    fernet: MultiFernet | None,
    *,
    allow_unencrypted: bool,
    same_numbers: bool = False,
) -> Staged:
    """Load one object and compare it with the manifest.

    Args:
        item: None for a table that had no rows, for which nothing is stored.
        same_numbers: runs keep the ids that they had in the source.

    Raises:
        BackupRefusedError: the object is not what the manifest says.
        TargetRefusedError: the target lacks one of its columns.
    """
    types = table.carried if item is None else dict(zip(item.columns, item.types, strict=True))
    check_columns(table, types)
    looked_up = {ref.column for ref in table.rule.refs}
    dropped = looked_up if same_numbers else {*looked_up, *table.rule.numbers}
    columns = tuple(name for name in types if REF_SEPARATOR not in name and name not in dropped)
    staged = Staged(table, columns, 0, backup.manifest.snapshot_at)
    definition = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
    # The source's types: the rows are converted where they are merged.
    session.execute(
        f"CREATE TEMP TABLE {staged.name} ({definition}, {ORDER} bigserial) ON COMMIT DROP"
    )
    if item is None:
        return staged
    large = [name for name, kind in types.items() if kind in LARGE]
    if large:
        # Most rows are only compared, and compressing takes longer than all else.
        plain = listed(large, lambda name: f"ALTER {quote(name)} SET STORAGE EXTERNAL")
        session.execute(f"ALTER TABLE {staged.name} {plain}")
    reader = backup.rows(item)
    source: Reader = reader
    fields = fields_of(table.rule.sealed, item.columns)
    if fields is not None:
        transform = closer(fields, fernet, allow_unencrypted=allow_unencrypted)
        source = RowReader(reader, transform)
    loaded = load(session, staged.name, item, reader, source)
    conditions = " AND ".join(guards(table.rule))
    if conditions:
        loaded -= session.execute(f"DELETE FROM {staged.name} t WHERE NOT ({conditions})")
    joined = [
        name
        for name in types
        if REF_SEPARATOR in name or (name in columns and name in _joined(table))
    ]
    # Of all columns it would cost more than some merges do.
    if joined:
        session.execute(f"ANALYZE {staged.name} ({listed(joined)})")
    return replace(staged, rows=loaded)


def _joined(table: PlannedTable) -> set[str]:
    """Columns that staged rows are joined by."""
    return {"dag_id", "run_id", *REACHES_RUN, *RUN_IDS, *table.rule.key, table.rule.time}


def load(
    session: Session,
    name: str,
    item: BackupObject,
    reader: DecryptingReader,
    source: Reader | None = None,
) -> int:
    """COPY an object into a table; return how many rows there were.

    Raises:
        BackupRefusedError: it is not what the manifest says.
    """
    binary = item.format is RowFormat.BINARY
    loaded = session.copy_in(name, listed(item.columns), source or reader, binary=binary)
    reader.drain()
    check_read(item, reader)
    if loaded != item.rows:
        raise BackupRefusedError(
            f"{item.key} is not what the manifest says: rows {loaded} instead of {item.rows}"
        )
    return loaded


def check_columns(table: PlannedTable, columns: Collection[str]) -> None:
    """Raises TargetRefusedError if the target lacks one of an object's columns."""
    plain = [name for name in columns if REF_SEPARATOR not in name]
    foreign = [name for name in plain if name not in table.table.columns]
    if foreign or set(columns) - set(plain) - table.carried.keys():
        raise TargetRefusedError(
            f"the target's table {table.name} lacks {foreign or sorted(columns)}; restore into an "
            "environment of the same Airflow version"
        )
