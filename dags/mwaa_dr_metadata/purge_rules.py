"""Which rows of Airflow's database a purge may take: declarations and the conditions they make.

Tables and the columns that tell a row's age are those of `airflow db clean`, 2.7 to 3.3. What it
takes and a purge leaves is said by `run`, `held` and `unless`: `db clean` empties the run that a
DAG's next one is computed from, and takes a trigger together with the task that waits for it.

Written in the vocabulary of Airflow 2.10, like `rules`.
"""

# ruff: noqa: S608 - fixed text, and identifiers that come from the catalogue and are quoted

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mwaa_dr_metadata.catalogue import Catalogue, Table
from mwaa_dr_metadata.inflight import FINISHED_TASKS, UNFINISHED_RUNS
from mwaa_dr_metadata.plan import renamed
from mwaa_dr_metadata.rules import OWN_PREFIX, RENAMED_TABLES
from mwaa_dr_metadata.session import listed, literal, quote

UNFINISHED_RUN = f"r.state IN ({listed(UNFINISHED_RUNS, literal)})"
UNFINISHED_TASK = f"i.state NOT IN ({listed(FINISHED_TASKS, literal)})"
KEPT = "{kept}"
"""In a condition: the run `r` stays."""


@dataclass(frozen=True, slots=True)
class Unless:
    """A reason to leave a row, as a condition on the row `t`.

    Args:
        needs: `table` or `table.column` without which a version does not have the reason.
    """

    condition: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PurgeRule:
    """One table.

    Args:
        by: the column that tells a row's age; a row without a value there is never purged.
        run: its rows hang on a DAG run, and stay as long as the run is kept.
        held: a row stays while another table refers to it, other than those in `parts`.
        parts: tables whose rows are a part of this one's and go with it.
        unless: further reasons to leave a row.
        batch: rows per transaction at most; 0 for what the caller asks for.
    """

    table: str
    by: str
    run: bool = False
    held: bool = False
    parts: tuple[str, ...] = ()
    unless: tuple[Unless, ...] = ()
    batch: int = 0


OURS = f"left({{}}.dag_id, {len(OWN_PREFIX)}) = {literal(OWN_PREFIX)}"
"""Runs of recovery DAGs are trimmed by number, not by age: `control.trim_own_history`."""


def _waits(consumers: str, *needs: str) -> tuple[Unless, ...]:
    """An event that a DAG is still to take: Airflow gives a run all events since the DAG's last
    triggered one, told by its logical date before 3.0 and by `run_after` since."""
    return tuple(
        Unless(
            f"EXISTS (SELECT FROM {consumers} AND t.timestamp > coalesce((SELECT max(r.{date}) "
            "FROM dag_run r WHERE r.dag_id = c.dag_id AND right(r.run_type, 10) = '_triggered'), "
            "'-infinity'))",
            (*needs, f"dag_run.{date}"),
        )
        for date in ("execution_date", "run_after")
    )


RULES: tuple[PurgeRule, ...] = (
    PurgeRule(
        "dag_run",
        "start_date",
        unless=(
            Unless(f"EXISTS (SELECT FROM dag_run r WHERE r.id = t.id AND {KEPT})"),
            Unless(
                "EXISTS (SELECT FROM task_instance i WHERE i.dag_id = t.dag_id "
                f"AND i.run_id = t.run_id AND {UNFINISHED_TASK})"
            ),
        ),
    ),
    PurgeRule("task_instance", "start_date", run=True),
    PurgeRule("task_instance_history", "start_date", run=True),
    PurgeRule("task_reschedule", "start_date", run=True),
    PurgeRule("task_fail", "start_date", run=True),
    PurgeRule("xcom", "timestamp", run=True),
    PurgeRule("deadline", "deadline_time", run=True),
    PurgeRule("task_state_store", "expires_at", run=True),
    PurgeRule("_xcom_archive", "timestamp"),
    PurgeRule(
        "dataset_event",
        "timestamp",
        unless=(
            Unless(
                "EXISTS (SELECT FROM dagrun_dataset_event l JOIN dag_run r ON r.id = l.dag_run_id "
                f"WHERE l.event_id = t.id AND {KEPT})",
                ("dagrun_dataset_event",),
            ),
            *_waits(
                "dag_schedule_dataset_reference c WHERE c.dataset_id = t.dataset_id",
                "dag_schedule_dataset_reference",
            ),
            *_waits(
                "dag_schedule_dataset_alias_reference c JOIN dataset_alias_dataset_event a "
                "ON a.alias_id = c.alias_id WHERE a.event_id = t.id",
                "dag_schedule_dataset_alias_reference",
            ),
        ),
    ),
    PurgeRule("trigger", "created_date", held=True),
    PurgeRule(
        "job",
        "latest_heartbeat",
        # The scheduler finds a task whose process has died by its job.
        unless=tuple(
            Unless(
                f"EXISTS (SELECT FROM task_instance i WHERE i.{column} = t.id "
                f"AND {UNFINISHED_TASK})",
                (f"task_instance.{column}",),
            )
            for column in ("job_id", "queued_by_job_id")
        ),
    ),
    PurgeRule(
        "dag_version",
        "created_at",
        held=True,
        parts=("serialized_dag", "dag_code"),
        unless=(
            Unless(
                "t.created_at = (SELECT max(v.created_at) FROM dag_version v "
                "WHERE v.dag_id = t.dag_id)"
            ),
            Unless(
                "EXISTS (SELECT FROM task_instance_history h WHERE h.dag_version_id = t.id)",
                ("task_instance_history.dag_version_id",),
            ),
        ),
        batch=50,  # before 3.3 its foreign keys have no index: each row costs a scan of all tasks
    ),
    PurgeRule(
        "dag",
        "last_parsed_time",
        # A DAG that comes back finds in its row whether it is paused and which run is its next.
        unless=(
            Unless(OURS.format("t")),
            Unless("t.is_active", ("dag.is_active",)),
            Unless("NOT t.is_stale", ("dag.is_stale",)),
            Unless("EXISTS (SELECT FROM dag_run r WHERE r.dag_id = t.dag_id)"),
        ),
    ),
    PurgeRule("log", "dttm"),
    PurgeRule("sla_miss", "timestamp"),
    PurgeRule("import_error", "timestamp"),
    PurgeRule("callback_request", "created_at"),
    PurgeRule("celery_taskmeta", "date_done"),
    PurgeRule("celery_tasksetmeta", "date_done"),
    PurgeRule("session", "expiry"),
    PurgeRule("revoked_token", "exp"),
    PurgeRule(
        "connection_test_request",
        "updated_at",
        unless=(Unless("t.state NOT IN ('success', 'failed')"),),
    ),
)
"""In the order in which they are purged: runs first, since most of what is old goes with them, and
what others may refer to after those others."""

_RUN_OF = {
    ("dag_id", "run_id"): "r.dag_id = t.dag_id AND r.run_id = t.run_id",
    ("dag_run_id",): "r.id = t.dag_run_id",
    ("dagrun_id",): "r.id = t.dagrun_id",
    ("ti_id",): "(r.dag_id, r.run_id) = "
    "(SELECT i.dag_id, i.run_id FROM task_instance i WHERE i.id = t.ti_id)",
}
"""How a row says which run it hangs on: it has changed between versions."""


@dataclass(frozen=True, slots=True)
class Purgeable:
    """A rule on a table that exists.

    Args:
        old: the condition that a row `t` may be purged; `{kept}` and `{cutoff}` are still to fill.
    """

    rule: PurgeRule
    name: str
    old: str

    def condition(self, kept: Sequence[int], cutoff: str) -> str:
        """A condition without parameters.

        Args:
            kept: ids of runs that stay, besides unfinished ones and those of recovery DAGs.
            cutoff: ISO 8601: what is older may go.
        """
        ids = "'{" + ",".join(map(str, kept)) + "}'::int[]"
        stays = f"({UNFINISHED_RUN} OR {OURS.format('r')} OR r.id IN (SELECT unnest({ids})))"
        return self.old.replace(KEPT, stays).replace("{cutoff}", f"{literal(cutoff)}::timestamptz")


def purgeable(catalogue: Catalogue) -> list[Purgeable]:
    """The rules that apply to this database, in their order."""
    found = []
    for rule in RULES:
        names = {} if rule.table in catalogue.tables else RENAMED_TABLES
        table = catalogue.tables.get(renamed(rule.table, names))
        if table is not None and rule.by in table.columns:
            reasons = [_without(sql) for sql in _reasons(rule, table, names, catalogue)]
            old = " AND ".join([f"t.{quote(rule.by)} < {{cutoff}}", *reasons])
            found.append(Purgeable(rule, table.name, old))
    return found


def _reasons(
    rule: PurgeRule, table: Table, names: dict[str, str], catalogue: Catalogue
) -> Iterator[str]:
    """Every reason to leave a row, as SQL."""
    if rule.run:
        join = next(
            (sql for columns, sql in _RUN_OF.items() if set(columns) <= set(table.columns)), None
        )
        if join is None:
            raise ValueError(
                f"{table.name}: nothing in it says which run a row belongs to; looked for "
                + ", or ".join(" and ".join(columns) for columns in _RUN_OF)
            )
        yield f"EXISTS (SELECT FROM dag_run r WHERE {join} AND {KEPT})"
    if rule.held:
        for key in catalogue.foreign_keys:
            if key.parent == table.name and key.table not in rule.parts:
                holder, column = quote(key.table), quote(key.columns[0])
                yield f"EXISTS (SELECT FROM {holder} h WHERE h.{column} = t.id)"
    for reason in rule.unless:
        if all(_exists(catalogue, renamed(need, names)) for need in reason.needs):
            yield renamed(reason.condition, names)


def _without(reason: str) -> str:
    """PostgreSQL makes a join of a plain NOT EXISTS, but of nothing else."""
    return f"NOT {reason}" if reason.startswith("EXISTS (") else f"({reason}) IS NOT TRUE"


def _exists(catalogue: Catalogue, need: str) -> bool:
    name, _, column = need.partition(".")
    table = catalogue.tables.get(name)
    return table is not None and (not column or column in table.columns)
