"""Gives interrupted work back to the scheduler at promotion, as the in-flight rule says."""

# ruff: noqa: S608 - identifiers come from the catalogue and the rules and are quoted

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract.manifest import ObjectSet
from contract.sites import InFlightRule
from mwaa_dr_metadata import preflight
from mwaa_dr_metadata.backups import Backup, open_backup
from mwaa_dr_metadata.catalogue import read_catalogue
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.deadlines import TABLES, give_back_deadlines, has_deadlines
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.guarded import again_if_worth_it
from mwaa_dr_metadata.inflight import BEGUN, DUE, RUN_FAILED, TASK_FAILED, UNFINISHED_RUNS
from mwaa_dr_metadata.model import ImportOptions, Phase, UnparkReport
from mwaa_dr_metadata.plan import Plan, make_plan
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.session import Session, listed, literal, quote
from mwaa_dr_metadata.staging import NEWEST_VERSIONS, PREFIX, stage
from mwaa_dr_metadata.storage import Storage

STAGED = ("dag_run", "task_instance", "trigger")
RUNS = f"{PREFIX}unparked"
TRIGGERS = f"{PREFIX}triggers"
REOPEN_BACKFILLS = (
    "UPDATE backfill b SET completed_at = NULL FROM dag_run t "
    f"JOIN {RUNS} USING (dag_id, run_id) WHERE t.backfill_id = b.id"
)
"""A scheduler takes a backfill without unfinished runs for complete, even one that is parked."""

_HOSTLESS = {
    "hostname": "''",
    "pid": "NULL",
    "external_executor_id": "NULL",
    "queued_dttm": "NULL",
    "last_heartbeat_at": "NULL",
}
FROM_SCRATCH = {
    **_HOSTLESS,
    "state": "NULL",
    "start_date": "NULL",
    "end_date": "NULL",
    "duration": "NULL",
    "trigger_id": "NULL",
    "trigger_timeout": "NULL",
    "next_method": "NULL",
    "next_kwargs": "NULL",
    "scheduled_dttm": "NULL",
    "retry_delay_override": "NULL",
    "retry_reason": "NULL",
    "max_tries": "CASE WHEN {counted} THEN s.max_tries + 1 ELSE s.max_tries END",
}
COUNTED_WHEN_SCHEDULED = "s.state <> 'up_for_retry'"
COUNTED_WHEN_RUN = "s.state IN ('running', 'restarting')"
"""Of which unfinished tasks the current try is counted already, so that without another one the
outage would cost them a retry: from Airflow 2.10 scheduling counts it, before that the worker did,
and took it back when it deferred or rescheduled. A task that waits for its retry has its next try
still before it."""
_AS_IT_WAS = {
    "state": "s.state",
    "start_date": "s.start_date",
    "end_date": "s.end_date",
    "duration": "s.duration",
}

_WAITS = {
    **_AS_IT_WAS,
    "trigger_timeout": "s.trigger_timeout",
    "next_method": "s.next_method",
    "next_kwargs": "s.next_kwargs",
}

Changes = list[tuple[str, dict[str, str]]]
"""(condition on the staged task `s`, column -> SQL), tried in order."""

RERUN: Changes = [("TRUE", FROM_SCRATCH)]
"""Every unfinished task runs again from its beginning."""
KEEP: Changes = [
    ("s.state IN ('scheduled', 'up_for_retry', 'up_for_reschedule')", _AS_IT_WAS),
    ("s.state = 'queued'", {**_AS_IT_WAS, **_HOSTLESS, "state": literal(DUE)}),
    ("s.state = 'deferred' AND k.id IS NOT NULL", {**_WAITS, "trigger_id": "k.id"}),
    ("s.state = 'awaiting_input'", _WAITS),  # for a person, which takes no trigger
    # Running tasks died with their host. So did deferred ones whose trigger cannot be read.
    ("TRUE", FROM_SCRATCH),
]
"""What waited goes on waiting; what ran, runs again as a new try."""

RUN_COLUMNS: dict[InFlightRule, dict[str, str]] = {
    InFlightRule.RERUN: {
        "state": "'queued'",
        "queued_at": "now()",
        "start_date": "NULL",
        "clear_number": "t.clear_number + 1",
    },
    InFlightRule.KEEP: {"state": "s.state"},
}


def unpark(  # noqa: PLR0917 - the engine's calls share one order of arguments
    engine: Engine,
    storage: Storage,
    sealer: Sealer,
    fernet: MultiFernet | None,
    manifest_key: str,
    rule: InFlightRule,
) -> UnparkReport:
    """Give back the runs that were unfinished at the snapshot; call it just before un-pausing.

    Runs that somebody changed since the import are left alone, so twice is once; so are runs of
    DAGs that this environment has not parsed yet, where Airflow 3 could not run a task. Unfinished
    tasks of runs that were over at the snapshot stay failed under every rule. Deadlines come back
    under every rule.

    Raises:
        BackupRefusedError: the backup is bad, or not the one that was imported here.
        TargetRefusedError: the target has no Fernet key for the triggers.
        SealUnavailableError: the key service refused or did not answer.
    """
    backup = open_backup(storage, sealer, manifest_key)

    def work() -> UnparkReport:
        with transaction(engine) as session:
            catalogue = read_catalogue(session)
            preflight.check_target(session, catalogue, backup, ImportOptions(phase=Phase.HISTORY))
            plan = make_plan(catalogue)
            versioned = "dag_version" in catalogue.tables
            if rule is InFlightRule.FAIL and not versioned:
                return UnparkReport(rule, runs=[], tasks=0, left=[])
            _stage(session, backup, plan, fernet)
            left = _match_runs(session, backup.manifest.snapshot_at, versioned=versioned)
            if versioned:
                _fill_versions(session)
            if has_deadlines(plan):
                give_back_deadlines(session, plan, RUNS)
            if rule is InFlightRule.FAIL:
                return UnparkReport(rule, runs=[], tasks=0, left=[])
            _make_triggers(session, plan, rule)
            tasks = _give_back_tasks(session, plan, rule, backup.manifest.snapshot_at)
            if plan.named("backfill") is not None:
                session.execute(REOPEN_BACKFILLS)
            runs = _give_back_runs(session, plan, rule)
        return UnparkReport(rule, runs=runs, tasks=tasks, left=left)

    return again_if_worth_it(work)


def _fill_versions(session: Session) -> None:
    """Where an import found no version of a DAG yet, because it had not been parsed here."""
    for table, column in (
        ("task_instance", "dag_version_id"),
        ("dag_run", "created_dag_version_id"),
    ):
        session.execute(
            f"UPDATE {table} t SET {column} = v.id FROM ({NEWEST_VERSIONS}) v "
            f"WHERE t.{column} IS NULL AND v.dag_id = t.dag_id"
        )


def _stage(session: Session, backup: Backup, plan: Plan, fernet: MultiFernet | None) -> None:
    items = {item.table: item for item in backup.objects(ObjectSet.RESUME)}
    for name in (*STAGED, *(TABLES if has_deadlines(plan) else ())):
        table = plan.named(name)
        if table is None or name not in backup.manifest.counts:
            raise BackupRefusedError(f"{backup.manifest_key} carries no {name}")
        stage(session, backup, items.get(name), table, fernet, allow_unencrypted=False)


def _match_runs(session: Session, at: str, *, versioned: bool) -> list[dict[str, str]]:
    """Find the runs that are still as the import left them and can run here; return the others."""
    parsed = "EXISTS (SELECT FROM dag_version v WHERE v.dag_id = s.dag_id)" if versioned else "TRUE"
    session.execute(
        f"CREATE TEMP TABLE {RUNS} ON COMMIT DROP AS "
        f"SELECT s.dag_id, s.run_id, t.state = {literal(RUN_FAILED)} "
        f"AND t.end_date IS NOT DISTINCT FROM {literal(at)}::timestamptz AND {parsed} AS untouched "
        f"FROM {PREFIX}dag_run s LEFT JOIN dag_run t USING (dag_id, run_id) "
        f"WHERE s.state IN ({listed(UNFINISHED_RUNS, literal)})"
    )
    left = session.rows(
        f"SELECT dag_id, run_id FROM {RUNS} WHERE untouched IS NOT TRUE ORDER BY 1, 2"
    )
    session.execute(f"DELETE FROM {RUNS} WHERE untouched IS NOT TRUE")
    return [{"dag_id": dag_id, "run_id": run_id} for dag_id, run_id in left]


def _make_triggers(session: Session, plan: Plan, rule: InFlightRule) -> None:
    """Write the triggers that deferred tasks wait for, under ids of this database's own."""
    session.execute(f"CREATE TEMP TABLE {TRIGGERS} (old integer, id integer) ON COMMIT DROP")
    table = plan.named("trigger")
    if rule is not InFlightRule.KEEP or table is None:
        return
    sequence = table.table.columns["id"].sequence
    session.execute(
        f"INSERT INTO {TRIGGERS} SELECT s.id, nextval('{sequence}') FROM {PREFIX}trigger s "
        f"WHERE s.id IN (SELECT t.trigger_id FROM {PREFIX}task_instance t "
        f"JOIN {RUNS} USING (dag_id, run_id) WHERE t.state = 'deferred')"
    )
    others = [column.name for column in table.columns if column.name not in ("id", "triggerer_id")]
    session.execute(
        f"INSERT INTO {quote(table.name)} (id, {listed(others)}) "
        f"SELECT k.id, {listed(others, lambda name: f's.{quote(name)}')} "
        f"FROM {PREFIX}trigger s JOIN {TRIGGERS} k ON k.old = s.id"
    )


def _give_back_tasks(session: Session, plan: Plan, rule: InFlightRule, at: str) -> int:
    table = plan.named("task_instance")
    changes = RERUN if rule is InFlightRule.RERUN else KEEP
    counted = COUNTED_WHEN_SCHEDULED if plan.named("task_instance_history") else COUNTED_WHEN_RUN
    columns = [
        name
        for name in {column: None for _, values in changes for column in values}
        if table is not None and name in table.table.columns
    ]
    assignments = ", ".join(
        f"{quote(name)} = "
        + _choice(changes, name, table.table.columns[name].type).replace("{counted}", counted)
        for name in columns
        if table is not None
    )
    key = "t.dag_id = s.dag_id AND t.run_id = s.run_id AND t.task_id = s.task_id "
    key += "AND t.map_index = s.map_index"
    begun = BEGUN.format(s="s")
    untouched = (
        f"CASE WHEN {begun} THEN t.state = {literal(TASK_FAILED)} "
        f"AND t.end_date = {literal(at)}::timestamptz ELSE t.state IS NULL END"
    )
    if rule is InFlightRule.RERUN:
        of_task = "t.ti_id = s.id" if plan.tables["task_reschedule"].has("ti_id") else key
        session.execute(
            f"DELETE FROM task_reschedule t USING {PREFIX}task_instance s JOIN {RUNS} "
            f"USING (dag_id, run_id) WHERE {of_task} AND {begun}"
        )
    return session.execute(
        f"UPDATE task_instance t SET {assignments} FROM {PREFIX}task_instance s "
        f"JOIN {RUNS} u USING (dag_id, run_id) LEFT JOIN {TRIGGERS} k ON k.old = s.trigger_id "
        f"WHERE {key} AND (s.state = {literal(DUE)} OR {begun}) AND {untouched}"
    )


def _choice(changes: Changes, column: str, kind: str) -> str:
    """One CASE over all changes; a change that does not name the column leaves it."""
    cases = " ".join(
        f"WHEN {condition} THEN {values.get(column, f't.{quote(column)}')}::{kind}"
        for condition, values in changes
    )
    return f"CASE {cases} END"


def _give_back_runs(session: Session, plan: Plan, rule: InFlightRule) -> list[dict[str, str]]:
    table = plan.tables["dag_run"]
    values = {"end_date": "NULL", "last_scheduling_decision": "NULL", **RUN_COLUMNS[rule]}
    assignments = ", ".join(
        f"{quote(name)} = {sql}" for name, sql in values.items() if name in table.table.columns
    )
    rows = session.rows(
        f"WITH changed AS (UPDATE dag_run t SET {assignments} FROM {PREFIX}dag_run s "
        f"JOIN {RUNS} USING (dag_id, run_id) "
        "WHERE t.dag_id = s.dag_id AND t.run_id = s.run_id RETURNING t.dag_id, t.run_id, t.state) "
        "SELECT dag_id, run_id, state FROM changed ORDER BY 1, 2"
    )
    return [{"dag_id": dag_id, "run_id": run_id, "state": state} for dag_id, run_id, state in rows]
