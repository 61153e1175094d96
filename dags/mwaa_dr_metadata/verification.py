"""Compares a target with a backup without writing anything to either."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract.manifest import BackupObject, ObjectSet
from mwaa_dr_metadata.backups import Backup, check_read, open_backup
from mwaa_dr_metadata.catalogue import read_catalogue
from mwaa_dr_metadata.checks import check
from mwaa_dr_metadata.ciphertext import Fields, RowWriter, fields_of, plaintext
from mwaa_dr_metadata.merge import create_mine
from mwaa_dr_metadata.model import Phase, TableCheck, summed
from mwaa_dr_metadata.plan import Plan, PlannedTable, make_plan
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.selection import query
from mwaa_dr_metadata.session import COPY_CHUNK, Session
from mwaa_dr_metadata.staging import MINE, PREFIX, stage
from mwaa_dr_metadata.storage import Storage

SETS = {
    Phase.RESUME: (ObjectSet.RESUME,),
    Phase.HISTORY: (ObjectSet.HISTORY,),
    Phase.ALL: (ObjectSet.RESUME, ObjectSet.HISTORY),
}


def verify_import(  # noqa: PLR0917 - the engine's calls share one order of arguments
    engine: Engine,
    storage: Storage,
    sealer: Sealer,
    fernet: MultiFernet | None,
    manifest_key: str,
    phase: Phase = Phase.ALL,
) -> list[TableCheck]:
    """Whether the target holds a backup's rows, as an import writes them, DAGs still paused.

    Secrets are compared by their plaintext, in memory. The database sees only temporary tables.

    Raises:
        BackupRefusedError: the backup is bad or does not fit this schema.
        SealUnavailableError: the key service refused or did not answer.
    """
    backup = open_backup(storage, sealer, manifest_key)
    parts: dict[str, list[BackupObject]] = {}
    for item in backup.objects(*SETS[phase]):
        parts.setdefault(item.key.rpartition("/")[0], []).append(item)
    return summed(
        result
        for part, items in sorted(parts.items())
        for result in _part(engine, backup, fernet, part, items)
    )


def _part(
    engine: Engine,
    backup: Backup,
    fernet: MultiFernet | None,
    part: str,
    items: Sequence[BackupObject],
) -> list[TableCheck]:
    connection = engine.raw_connection()
    try:
        session = Session(connection)
        session.prepare()
        return _compare(session, backup, fernet, part, items)
    finally:
        connection.rollback()
        connection.close()


def _compare(
    session: Session,
    backup: Backup,
    fernet: MultiFernet | None,
    part: str,
    items: Sequence[BackupObject],
) -> list[TableCheck]:
    plan: Plan = make_plan(read_catalogue(session))
    by_table = {item.table: item for item in items}
    create_mine(session)
    checks = []
    for table in plan.ordered(by_table):
        item = by_table[table.name]
        if table.rule.merge is Merge.PARKED:
            continue
        fields = fields_of(table.rule.sealed, item.columns)
        if fields is not None:
            checks.append(_secrets(session, backup, fernet, part, item, table, fields))
            continue
        staged = stage(session, backup, item, table, fernet, allow_unencrypted=False)
        if table.rule.merge is Merge.RUN:
            session.execute(
                f"INSERT INTO {MINE} SELECT t.id, t.dag_id, t.run_id "  # noqa: S608
                f"FROM dag_run t JOIN {PREFIX}dag_run s USING (dag_id, run_id)"
            )
        result = check(session, staged, part)
        missing = staged.rows - result.present
        checks.append(
            TableCheck(
                table.name,
                part,
                expected=staged.rows,
                present=result.present,
                matched=result.matched and missing == 0,
                extra=result.extra,
            )
        )
    return checks


class _Rows:
    """Counts rows by their hash."""

    def __init__(self) -> None:
        self.seen: Counter[bytes] = Counter()

    def write(self, data: bytes) -> int:
        for line in data.splitlines():
            self.seen[hashlib.sha256(line).digest()] += 1
        return len(data)


def _secrets(  # noqa: PLR0917
    session: Session,
    backup: Backup,
    fernet: MultiFernet | None,
    part: str,
    item: BackupObject,
    table: PlannedTable,
    fields: Fields,
) -> TableCheck:
    expected, present, reader = _Rows(), _Rows(), backup.rows(item)
    collect = RowWriter(expected, lambda row: row)
    while data := reader.read(COPY_CHUNK):
        collect.write(data)
    check_read(item, reader)
    session.copy_out(query(table), RowWriter(present, plaintext(fields, fernet)))
    found = sum((expected.seen & present.seen).values())
    return TableCheck(
        table.name,
        part,
        expected=item.rows,
        present=found,
        matched=found == item.rows,
        extra=sum(present.seen.values()) - found,
    )
