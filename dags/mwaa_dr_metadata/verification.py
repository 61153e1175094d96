"""Compares a target with a backup without writing anything to either."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract.manifest import BackupObject, ObjectSet
from mwaa_dr_metadata.backups import check_read, open_backup, open_chain
from mwaa_dr_metadata.catalogue import read_catalogue
from mwaa_dr_metadata.checks import check
from mwaa_dr_metadata.ciphertext import Fields, RowWriter, fields_of, plaintext
from mwaa_dr_metadata.merge import Mode, create_mine
from mwaa_dr_metadata.model import ImportOptions, Phase, TableCheck, summed
from mwaa_dr_metadata.parts import OutOfDate
from mwaa_dr_metadata.plan import PlannedTable, make_plan
from mwaa_dr_metadata.results import Results
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.selection import RESUME, query
from mwaa_dr_metadata.session import COPY_CHUNK, Session
from mwaa_dr_metadata.staging import MINE, PREFIX, Staged
from mwaa_dr_metadata.storage import Storage
from mwaa_dr_metadata.work import Step, Work


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
    alone = phase is Phase.RESUME
    chain = [open_backup(storage, sealer, manifest_key)] if alone else []
    chain = chain or open_chain(storage, sealer, manifest_key)
    with _read_only(engine) as session:
        plan = make_plan(read_catalogue(session))
    work = Work(engine, sealer, chain, fernet, plan, ImportOptions(), None, Results())
    resume = Step(chain[0], RESUME, RESUME, chain[0].objects(ObjectSet.RESUME), OutOfDate())
    steps = [
        *([resume] if phase is not Phase.HISTORY else []),
        *(work.steps() if not alone else []),
    ]
    return summed(result for step in steps for result in _step(work, step))


@contextmanager
def _read_only(engine: Engine) -> Iterator[Session]:
    connection = engine.raw_connection()
    try:
        session = Session(connection)
        session.prepare()
        yield session
    finally:
        connection.rollback()
        connection.close()


def _step(work: Work, step: Step) -> list[TableCheck]:
    by_table = {item.table: item for item in step.items}
    writer = work.writer(step.backup, Mode(), step.out_of_date)
    checks = []
    with _read_only(work.engine) as session:
        create_mine(session)
        for table in work.plan.ordered(by_table):
            item = by_table[table.name]
            if table.rule.merge is Merge.PARKED:
                continue
            fields = fields_of(table.rule.sealed, item.columns)
            if fields is not None:
                checks.append(_secrets(session, work, step, item, table, fields))
                continue
            staged = writer.stage(session, item, table)
            if table.rule.merge is Merge.RUN:
                session.execute(
                    f"INSERT INTO {MINE} SELECT t.id, t.dag_id, t.run_id, FALSE "  # noqa: S608
                    f"FROM dag_run t JOIN {PREFIX}dag_run s USING (dag_id, run_id)"
                )
            checks.append(_compared(session, staged, step, stale=bool(step.out_of_date.runs)))
    return checks


def _compared(session: Session, staged: Staged, step: Step, *, stale: bool) -> TableCheck:
    """What is there of the staged rows, all of which have to be.

    Args:
        stale: rows of runs that newer backups have were loaded too, and do not count.
    """
    result = check(session, staged, step.label)
    expected = staged.rows
    if stale and staged.table.rule.merge is Merge.OF_RUN:
        expected = result.expected
    return TableCheck(
        staged.table.name,
        step.label,
        expected=expected,
        present=result.present,
        matched=result.matched and result.present == expected,
        extra=result.extra,
    )


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
    work: Work,
    step: Step,
    item: BackupObject,
    table: PlannedTable,
    fields: Fields,
) -> TableCheck:
    expected, present, reader = _Rows(), _Rows(), step.backup.rows(item)
    collect = RowWriter(expected, lambda row: row)
    while data := reader.read(COPY_CHUNK):
        collect.write(data)
    check_read(item, reader)
    session.copy_out(query(table), RowWriter(present, plaintext(fields, work.fernet)))
    found = sum((expected.seen & present.seen).values())
    return TableCheck(
        table.name,
        step.label,
        expected=item.rows,
        present=found,
        matched=found == item.rows,
        extra=sum(present.seen.values()) - found,
    )
