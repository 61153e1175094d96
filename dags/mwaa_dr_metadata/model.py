"""What goes into the engine and what comes out of it; everything turns into JSON."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from contract.sites import InFlightRule, Site


@dataclass(frozen=True, slots=True)
class BackupIdentity:
    """Whose backup it is; all of it goes into the manifest.

    Args:
        installation: the installation's name.
        epoch: the ownership epoch the exporting site believes in.
        environment: the exporting environment's MWAA name.
        airflow_version: the version that runs there.
    """

    installation: str
    site: Site
    epoch: int
    environment: str
    airflow_version: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One finished step, for logs and acknowledgements.

    Args:
        step: `export`, `check`, `stage`, `merge`, `verify` or `commit`.
        part: which part of the backup, e.g. `resume` or `history/10000`.
        rows: rows that this step dealt with.
        size: bytes as stored, 0 when the step stored or read none.
    """

    step: str
    part: str
    table: str = ""
    rows: int = 0
    size: int = 0


ProgressCallback = Callable[[Progress], None]
"""Called from several threads during an export; an exception in it stops the work."""


class Phase(StrEnum):
    RESUME = "resume"
    """What scheduling needs, in one transaction."""
    HISTORY = "history"
    """The rest, newest first, a transaction per part, while DAGs may run."""
    ALL = "all"


class ImportMode(StrEnum):
    """What an import may do to rows that the target has already."""

    RESTORE = "restore"
    """Into an environment that is to take over: history fills up, runs that exist stay."""
    FOLLOW = "follow"
    """Into a standby: after it, the target holds what the source held, nothing more."""
    RECONCILE = "reconcile"
    """Back into an old owner: the backup wins, runs of the target alone stay and are listed."""
    REPLACE = "replace"
    """Back to an earlier state: after it, the target holds what the backup holds, nothing more."""
    BULK = "bulk"
    """Into an environment that nobody uses yet: indexes and keys are rebuilt, tables are locked."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What to restore and what must hold before the first write.

    Args:
        mode: what may happen to rows that are there.
        workers: connections that write history at once.
        in_flight: the rule that a later `unpark` will apply; the import itself always writes
            unfinished work in its interrupted form (see `inflight`).
        expected_installation: refuse another installation's backup; empty accepts any.
        airflow_version: the target's version, refused if it is not the backup's; empty compares
            only the schema heads.
        owner_check: says whether the target's site owns the epoch now, read as late as possible.
            An owner's live environment is never overwritten; its history may be filled up.
        allow_version_mismatch: accept another Airflow version with the same schema heads.
        allow_unencrypted: let secrets become clear text in a target that has no Fernet key.
        allow_mass_delete: accept that a large part of the rows went since an earlier backup.
        patience: seconds to wait for another import into the same target to end.
    """

    phase: Phase = Phase.RESUME
    mode: ImportMode = ImportMode.RESTORE
    workers: int = 2
    in_flight: InFlightRule = InFlightRule.FAIL
    expected_installation: str = ""
    airflow_version: str = ""
    owner_check: Callable[[], bool] | None = None
    allow_version_mismatch: bool = False
    allow_unencrypted: bool = False
    allow_mass_delete: bool = False
    patience: float = 0


@dataclass(frozen=True, slots=True)
class TableCheck:
    """One table of one phase, after the merge.

    Args:
        part: `resume` or `history`; of a single part, its folder.
        expected: rows that the backup says must be there.
        present: of those, the rows that are there.
        matched: whether counts and content digests agree.
        skipped: rows left alone because their run already existed (history), or collides.
        extra: rows of the target that the backup does not have; counted for small tables only.
    """

    table: str
    part: str
    expected: int
    present: int
    matched: bool
    skipped: int = 0
    extra: int = 0

    def __add__(self, other: "TableCheck") -> "TableCheck":
        """Two parts of the same table and phase."""
        return TableCheck(
            self.table,
            self.part,
            self.expected + other.expected,
            self.present + other.present,
            self.matched and other.matched,
            self.skipped + other.skipped,
            self.extra + other.extra,
        )


def summed(checks: Iterable[TableCheck]) -> list[TableCheck]:
    """Checks of many parts as one per table and phase; tables without any row are left out."""
    totals: dict[tuple[str, str], TableCheck] = {}
    for check in checks:
        phase = check.part.partition("/")[0]
        named = replace(check, part=phase)
        key = (phase, check.table)
        totals[key] = totals[key] + named if key in totals else named
    return [
        check
        for _, check in sorted(
            totals.items(), key=lambda item: (item[0][0] != "resume", item[0][1])
        )
        if check.expected or check.present or check.skipped or check.extra
    ]


@dataclass(frozen=True, slots=True)
class InterruptedTask:
    task_id: str
    map_index: int
    state_before: str | None


@dataclass(frozen=True, slots=True)
class InterruptedRun:
    """A run that was unfinished at the snapshot, or had unfinished tasks.

    Args:
        state_before: the run's state at the snapshot.
        tasks: its unfinished tasks; tasks that had never been scheduled are not listed.
    """

    dag_id: str
    run_id: str
    state_before: str | None
    tasks: list[InterruptedTask] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """A scheduling column that is not what the oracle says; times ISO 8601 or None."""

    dag_id: str
    column: str
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Args:
        backup: the manifest's key.
        tables: one row per table and phase, tables without rows left out.
        interrupted: runs that did not survive the outage, with their unfinished tasks.
        parked: whether `unpark` has something left to do at promotion.
        conflicts: runs that were not restored because the target has another run of the same DAG
            with the same logical date; `{dag_id, run_id}` each, of all phases.
        not_carried: table -> why its rows could not be restored here.
        unreadable: from the manifest: secrets that the source itself could not open.
        schedule: scheduling columns that differ from the oracle right after the merge.
        kept: of a reconciliation, runs that only the target has; `{dag_id, run_id, state}` each.
        removed: of a standby that follows, runs that went; how many.
        applied: the backups that were written, newest first.
        seconds: wall clock.
    """

    backup: str
    phase: Phase
    mode: ImportMode
    snapshot_at: str
    tables: list[TableCheck]
    interrupted: list[InterruptedRun]
    parked: bool
    conflicts: list[dict[str, str]]
    not_carried: dict[str, str]
    unreadable: list[dict[str, str]]
    schedule: list[Difference]
    kept: list[dict[str, str]]
    removed: int
    applied: list[str]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(check.present for check in self.tables)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "rows": self.rows}


@dataclass(frozen=True, slots=True)
class UnparkReport:
    """What was given back to the scheduler.

    Args:
        runs: `{dag_id, run_id, state}` of each run that is unfinished again.
        tasks: how many task instances will run again or go on.
        left: runs that were not touched because someone changed them since the import.
    """

    rule: InFlightRule
    runs: list[dict[str, str]]
    tasks: int
    left: list[dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class UnpauseReport:
    """What was un-paused.

    Args:
        unpaused: DAGs that are un-paused now, whether or not they were before.
        missing: DAGs to un-pause that the target does not have.
    """

    unpaused: list[str]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class DagCounts:
    """For the pulse: recovery DAGs are not counted, nor DAGs that Airflow no longer finds."""

    dags: int
    active_dags: int
    import_errors: int


@dataclass(frozen=True, slots=True)
class BackupInfo:
    """A backup that has a manifest.

    Args:
        taken_at: ISO 8601, UTC: when its export started.
    """

    manifest_key: str
    site: Site
    epoch: int
    backup_id: str
    taken_at: str


@dataclass(frozen=True, slots=True)
class BackupCheck:
    """The result of reading a whole backup.

    Args:
        problems: empty if the backup can be restored.
    """

    manifest_key: str
    objects: int
    size: int
    rows: int
    problems: list[str]

    @property
    def usable(self) -> bool:
        return not self.problems
