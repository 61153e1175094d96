"""Restores a backup: the resume set in one transaction, history part by part."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract.manifest import BackupObject, ObjectSet
from contract.sites import InFlightRule
from mwaa_dr_metadata import oracle, preflight
from mwaa_dr_metadata.backups import Backup, open_backup
from mwaa_dr_metadata.catalogue import Catalogue, read_catalogue
from mwaa_dr_metadata.control import PAUSE_ALL
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.errors import ImportVerificationError, TargetRefusedError
from mwaa_dr_metadata.inflight import BEGUN, DUE, UNFINISHED_RUNS
from mwaa_dr_metadata.merge import (
    Mode,
    check,
    create_mine,
    has_mine,
    heal_sequences,
    merge,
)
from mwaa_dr_metadata.model import (
    Difference,
    ImportOptions,
    ImportReport,
    InterruptedRun,
    InterruptedTask,
    Phase,
    Progress,
    ProgressCallback,
    TableCheck,
    summed,
)
from mwaa_dr_metadata.plan import Plan, PlannedTable, make_plan
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.selection import RESUME, RUNS
from mwaa_dr_metadata.session import Session, listed, literal
from mwaa_dr_metadata.staging import MINE, PREFIX, stage
from mwaa_dr_metadata.storage import Storage

logger = logging.getLogger(__name__)

LOCK = 0x6D776161_6472
"""Advisory lock: one import per database; bound to the transaction, as PgBouncer needs it."""
ATTEMPTS = 4
WORTH_ANOTHER_TRY = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock time-out: a live parser was in the way."""
PARENTS = ("log_template", "dataset", "dataset_alias", "dataset_event")
"""What history refers to and only the resume set carries; merged again, which changes nothing."""

Result = TypeVar("Result")


def import_backup(  # noqa: PLR0917 - the engine's calls share one order of arguments
    engine: Engine,
    storage: Storage,
    sealer: Sealer,
    fernet: MultiFernet | None,
    manifest_key: str,
    options: ImportOptions,
    *,
    progress: ProgressCallback | None = None,
) -> ImportReport:
    """Restore a backup into the environment behind `engine`. Twice is once.

    A resume import that fails leaves the target as it was. A history import that fails keeps the
    parts that were whole, and goes on with the others when it is run again; it never touches a run
    that exists.

    Args:
        fernet: the target's key.
        manifest_key: `contract.keys.manifest(...)`.
        progress: told of each step; an exception in it stops and rolls back.

    Raises:
        BackupRefusedError: the backup is bad or does not fit; take an older one.
        TargetRefusedError: this target must not be written.
        ImportVerificationError: the target would not hold what the backup says.
        SealUnavailableError: the key service refused or did not answer.
    """
    started = time.monotonic()
    backup = open_backup(storage, sealer, manifest_key)
    preflight.check_backup(backup, options)
    preflight.check_fernet(backup, fernet, options)
    resume, history = backup.objects(ObjectSet.RESUME), backup.objects(ObjectSet.HISTORY)
    with_resume, with_history = (
        options.phase is not Phase.HISTORY,
        options.phase is not Phase.RESUME,
    )
    preflight.check_objects(
        backup,
        whole=[*resume, *backup.objects(ObjectSet.ORACLE)],
        present=history if with_history else [],
    )
    with transaction(engine) as session:
        catalogue = read_catalogue(session)
        preflight.check_target(session, catalogue, backup, options)
    work = _Import(engine, backup, fernet, catalogue, make_plan(catalogue), options, progress)
    if with_resume:
        again_if_worth_it(lambda: work.resume(resume))
    if with_history:
        work.history(resume, history)
    manifest = backup.manifest
    return ImportReport(
        backup=manifest_key,
        phase=options.phase,
        snapshot_at=manifest.snapshot_at,
        tables=summed(work.tables),
        interrupted=work.interrupted,
        parked=bool(work.interrupted) and options.in_flight is not InFlightRule.FAIL,
        conflicts=work.conflicts,
        not_carried=work.not_carried,
        unreadable=manifest.unreadable,
        schedule=work.schedule,
        seconds=round(time.monotonic() - started, 3),
    )


def again_if_worth_it(work: Callable[[], Result]) -> Result:
    """Do a whole transaction, again if the database says that it only met another one."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except Exception as error:
            code = getattr(error, "pgcode", None) or getattr(
                getattr(error, "orig", None), "pgcode", None
            )
            if code not in WORTH_ANOTHER_TRY or attempt == ATTEMPTS:
                raise
            logger.warning("the database asks to try again (%s), attempt %s", code, attempt)
    raise AssertionError("unreachable")


@dataclass(slots=True)
class _Import:
    """One import on its way."""

    engine: Engine
    backup: Backup
    fernet: MultiFernet | None
    catalogue: Catalogue
    plan: Plan
    options: ImportOptions
    progress: ProgressCallback | None
    tables: list[TableCheck] = field(default_factory=list)
    interrupted: list[InterruptedRun] = field(default_factory=list)
    conflicts: list[dict[str, str]] = field(default_factory=list)
    not_carried: dict[str, str] = field(default_factory=dict)
    schedule: list[Difference] = field(default_factory=list)

    def resume(self, items: Sequence[BackupObject]) -> None:
        dags = self.backup.oracle()
        with transaction(self.engine) as session:
            self._begin(session)
            checks = self._part(session, RESUME, items, Mode(replace=True))
            session.execute(PAUSE_ALL)
            interrupted = _interrupted(session)
            conflicts = _conflicts(session)
            schedule = oracle.differences(dags, oracle.read_oracle(session))
            # The ownership may have moved while we worked: ask again before it counts.
            preflight.check_ownership(self.options)
            self._tell("commit", RESUME)
        self.tables += checks
        self.interrupted, self.conflicts, self.schedule = interrupted, conflicts, schedule

    def history(self, resume: Sequence[BackupObject], items: Sequence[BackupObject]) -> None:
        parents = [item for item in resume if item.table in PARENTS]

        def one(part: str, objects: Sequence[BackupObject], *, counts: bool) -> None:
            with transaction(self.engine) as session:
                self._begin(session)
                checks = self._part(session, part, objects, Mode(replace=False))
                conflicts = _conflicts(session) if part.startswith(RUNS) else []
                self._tell("commit", part)
            if counts:
                self.tables += checks
                self.conflicts += conflicts

        again_if_worth_it(lambda: one(RESUME, parents, counts=False))
        for part, objects in _by_part(items):
            again_if_worth_it(lambda part=part, objects=objects: one(part, objects, counts=True))

    def _begin(self, session: Session) -> None:
        if not session.value("SELECT pg_try_advisory_xact_lock(%s)", [LOCK]):
            raise TargetRefusedError("another import writes this target now; wait for it")
        create_mine(session)
        heal_sequences(session, self.plan)

    def _part(
        self, session: Session, part: str, items: Sequence[BackupObject], mode: Mode
    ) -> list[TableCheck]:
        """Stage and merge one part; parents come first.

        Raises:
            ImportVerificationError: what is read back is not what was meant.
        """
        by_table = {item.table: item for item in items}
        for name in sorted(by_table.keys() - self.plan.tables.keys()):
            if by_table[name].rows:
                self.not_carried[name] = "the target has no such table"
        checks = []
        for table in self.plan.ordered(by_table):
            item = by_table[table.name]
            if table.rule.merge is Merge.OF_RUN and not mode.replace and not has_mine(session):
                # Every run of the part was there already, so all that hangs on them was too.
                checks.append(TableCheck(table.name, part, 0, 0, matched=True, skipped=item.rows))
                continue
            checks.append(self._table(session, part, item, table, mode))
        return checks

    def _table(
        self, session: Session, part: str, item: BackupObject, table: PlannedTable, mode: Mode
    ) -> TableCheck:
        staged = stage(
            session,
            self.backup,
            item,
            table,
            self.fernet,
            allow_unencrypted=self.options.allow_unencrypted,
        )
        self._tell("stage", part, table.name, staged.rows, item.size)
        merge(session, staged, mode)
        self._tell("merge", part, table.name, staged.rows)
        result = check(session, staged, part)
        self._tell("verify", part, table.name, result.present)
        if not result.matched:
            raise ImportVerificationError(
                f"{part}: table {result.table} holds {result.present} of {result.expected} rows as "
                "the backup has them; nothing of this part was kept"
            )
        return result

    def _tell(self, step: str, part: str, table: str = "", rows: int = 0, size: int = 0) -> None:
        if self.progress is not None:
            self.progress(Progress(step, part, table, rows, size))


def _by_part(items: Sequence[BackupObject]) -> list[tuple[str, list[BackupObject]]]:
    def part(item: BackupObject) -> str:
        return item.key.rpartition("/")[0]

    return [(name, list(group)) for name, group in groupby(sorted(items, key=part), key=part)]


def _interrupted(session: Session) -> list[InterruptedRun]:
    unfinished = listed(UNFINISHED_RUNS, literal)
    rows = session.rows(
        f"SELECT s.dag_id, s.run_id, s.state, t.task_id, t.map_index, t.state "  # noqa: S608
        f"FROM {PREFIX}dag_run s JOIN {MINE} m USING (dag_id, run_id) "
        f"LEFT JOIN {PREFIX}task_instance t ON t.dag_id = s.dag_id AND t.run_id = s.run_id "
        f"AND (t.state = {literal(DUE)} OR {BEGUN.format(s='t')}) "
        f"WHERE s.state IN ({unfinished}) OR t.task_id IS NOT NULL ORDER BY 1, 2, 4, 5"
    )
    runs: dict[tuple[str, str], InterruptedRun] = {}
    for dag_id, run_id, state, task_id, map_index, task_state in rows:
        run = runs.setdefault((dag_id, run_id), InterruptedRun(dag_id, run_id, state))
        if task_id is not None:
            run.tasks.append(InterruptedTask(task_id, map_index, task_state))
    return list(runs.values())


def _conflicts(session: Session) -> list[dict[str, str]]:
    rows = session.rows(
        f"SELECT s.dag_id, s.run_id FROM {PREFIX}dag_run s WHERE NOT EXISTS "  # noqa: S608
        "(SELECT FROM dag_run r WHERE r.dag_id = s.dag_id AND r.run_id = s.run_id) ORDER BY 1, 2"
    )
    return [{"dag_id": dag_id, "run_id": run_id} for dag_id, run_id in rows]
