"""Which rows of the metadata database must have come along, and how to recognise them again.

Numbers that a database gave out itself mean nothing in another one: a reference is followed to the
natural key of what it points to before anything is compared.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Args:
        key: columns that make a row unique everywhere; empty when only the whole row does.
        drop: columns that mean nothing elsewhere (own ids, ids of processes and jobs, accounts).
        refs: column -> table it points to by its id.
        cipher: column -> column that says whether it is encrypted.
        only: compare these columns and no other; empty means all.
        changing: its rows change all the time by themselves, so the row as it is now is compared
            even if its version is younger than the snapshot.
        consumed: rows vanish when the new owner has used them.
        kept: Airflow keeps the rows of so many runs of a task, the latest; 0 if it keeps all.
        own: condition that picks rows of the recovery itself, which do not travel.
    """

    name: str
    key: tuple[str, ...] = ()
    drop: tuple[str, ...] = ("id",)
    refs: dict[str, str] = field(default_factory=dict)
    cipher: dict[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    changing: bool = False
    consumed: bool = False
    kept: int = 0
    own: str = "false"


@dataclass(frozen=True, slots=True)
class Schema:
    """What one generation of Airflow keeps in its database.

    Args:
        mark: a table that only this generation has.
        tables: those that must come along. Everything else is rebuilt by Airflow from the DAG files
            or belongs to one environment alone: serialized DAGs, tags, owners, parse errors, jobs,
            sessions, users, triggers and callbacks of cut-off tasks.
        lookups: how to turn an id into the natural key of its row, by table.
    """

    mark: str
    tables: tuple[Table, ...]
    lookups: dict[str, str]


OWN_DAG = "dag_id LIKE 'mwaa\\_dr\\_%'"
OWN_RUN = f"dag_run_id IN (SELECT id FROM dag_run WHERE {OWN_DAG})"  # noqa: S608
OWN_TASK = f"ti_id IN (SELECT id FROM task_instance WHERE {OWN_DAG})"  # noqa: S608
JOBS = ("job_id", "queued_by_job_id", "trigger_id", "external_executor_id")
TASK = ("dag_id", "task_id", "run_id", "map_index")
VERSION = {"dag_version_id": "dag_version"}
RENDERED = 30
"""`[core] max_num_rendered_ti_fields_per_task`, Airflow's default."""

_BOTH = (
    Table("variable", ("key",), cipher={"val": "is_encrypted"}, own="key LIKE 'mwaa\\_dr\\_%'"),
    Table(
        "connection",
        ("conn_id",),
        cipher={"password": "is_encrypted", "extra": "is_extra_encrypted"},
        own="conn_id LIKE 'mwaa\\_dr\\_%'",
    ),
    Table("slot_pool", ("pool",)),
    Table("dag", ("dag_id",), only=("is_paused",), changing=True, own=OWN_DAG),
    Table("task_map", TASK, own=OWN_DAG),
    Table("xcom", (*TASK, "key"), drop=(), refs={"dag_run_id": "dag_run"}, own=OWN_DAG),
    Table("rendered_task_instance_fields", TASK, kept=RENDERED, own=OWN_DAG),
    Table("log", own=OWN_DAG),
    Table(
        "dag_run_note", ("dag_run_id",), drop=("user_id",), refs={"dag_run_id": "dag_run"},
        own=OWN_RUN,
    ),
    Table("ab_role", ("name",)),
)  # fmt: skip
_LOOKUPS_OF_BOTH = {
    "dag_run": "SELECT id, dag_id, run_id FROM dag_run",
    "log_template": "SELECT id, filename, elasticsearch_id FROM log_template",
}

AIRFLOW_2 = Schema(
    mark="dataset",
    tables=(
        *_BOTH,
        Table(
            "dag_run",
            ("dag_id", "run_id"),
            drop=("id", "creating_job_id"),
            refs={"log_template_id": "log_template"},
            own=OWN_DAG,
        ),
        Table("task_instance", TASK, drop=JOBS, own=OWN_DAG),
        Table("task_instance_history", (*TASK, "try_number"), drop=("id", *JOBS), own=OWN_DAG),
        Table("task_fail", own=OWN_DAG),
        Table("task_reschedule", own=OWN_DAG),
        Table("sla_miss", ("dag_id", "task_id", "execution_date"), own=OWN_DAG),
        Table("task_instance_note", TASK, drop=("user_id",), own=OWN_DAG),
        Table(
            "dataset",
            ("uri",),
            drop=("id", "created_at", "updated_at", "is_orphaned"),
            changing=True,
        ),
        Table("dataset_event", refs={"dataset_id": "dataset"}),
        Table(
            "dagrun_dataset_event",
            drop=(),
            refs={"dag_run_id": "dag_run", "event_id": "dataset_event"},
        ),
        Table(
            "dataset_dag_run_queue",
            ("dataset_id", "target_dag_id"),
            drop=(),
            refs={"dataset_id": "dataset"},
            consumed=True,
        ),
        Table("dataset_alias", ("name",)),
        Table(
            "dataset_alias_dataset",
            drop=(),
            refs={"alias_id": "dataset_alias", "dataset_id": "dataset"},
        ),
        Table(
            "dataset_alias_dataset_event",
            drop=(),
            refs={"alias_id": "dataset_alias", "event_id": "dataset_event"},
        ),
    ),
    lookups={
        **_LOOKUPS_OF_BOTH,
        "dataset": "SELECT id, uri FROM dataset",
        "dataset_alias": "SELECT id, name FROM dataset_alias",
        "dataset_event": "SELECT e.id, d.uri, e.source_dag_id, e.source_task_id, e.source_run_id, "
        "e.source_map_index, e.timestamp FROM dataset_event e JOIN dataset d ON d.id = "
        "e.dataset_id",
    },
)

AIRFLOW_3 = Schema(
    mark="asset",
    tables=(
        *_BOTH,
        Table(
            "dag_run",
            ("dag_id", "run_id"),
            drop=("id", "creating_job_id", "scheduled_by_job_id"),
            refs={
                "log_template_id": "log_template",
                "backfill_id": "backfill",
                "created_dag_version_id": "dag_version",
            },
            own=OWN_DAG,
        ),
        # A task instance's own id is a UUID, which means the same everywhere: it must come along.
        Table("task_instance", TASK, drop=JOBS, refs=VERSION, own=OWN_DAG),
        Table(
            "task_instance_history", (*TASK, "try_number"), drop=JOBS, refs=VERSION, own=OWN_DAG
        ),
        Table("task_reschedule", refs={"ti_id": "task_instance"}, own=OWN_TASK),
        Table(
            "task_instance_note", ("ti_id",), drop=("user_id",), refs={"ti_id": "task_instance"},
            own=OWN_TASK,
        ),
        Table("hitl_detail", ("ti_id",), refs={"ti_id": "task_instance"}, own=OWN_TASK),
        Table("hitl_detail_history", ("ti_history_id",)),
        Table("backfill", ("dag_id", "created_at")),
        Table("backfill_dag_run", refs={"backfill_id": "backfill", "dag_run_id": "dag_run"}),
        Table(
            "deadline",
            drop=("id", "callback_id", "deadline_alert_id", "missed", "last_updated_at"),
            refs={"dagrun_id": "dag_run"},
        ),
        Table("asset", ("name", "uri"), drop=("id", "created_at", "updated_at"), changing=True),
        Table("asset_event", refs={"asset_id": "asset"}),
        Table(
            "dagrun_asset_event",
            drop=(),
            refs={"dag_run_id": "dag_run", "event_id": "asset_event"},
        ),
        Table(
            "asset_dag_run_queue",
            ("asset_id", "target_dag_id"),
            drop=(),
            refs={"asset_id": "asset"},
            consumed=True,
        ),
        Table("asset_alias", ("name",)),
        Table(
            "asset_alias_asset", drop=(), refs={"alias_id": "asset_alias", "asset_id": "asset"}
        ),
        Table(
            "asset_alias_asset_event",
            drop=(),
            refs={"alias_id": "asset_alias", "event_id": "asset_event"},
        ),
        Table(
            "task_state_store",
            ("dag_run_id", "task_id", "map_index", "key"),
            refs={"dag_run_id": "dag_run"},
            own=OWN_DAG,
        ),
        Table("asset_state_store", ("asset_id", "key"), refs={"asset_id": "asset"}),
    ),
    lookups={
        **_LOOKUPS_OF_BOTH,
        # Numbers of versions count parses of one environment; the DAG is what must be right.
        "dag_version": "SELECT id, dag_id FROM dag_version",
        "task_instance": "SELECT id, dag_id, task_id, run_id, map_index FROM task_instance",
        "backfill": "SELECT id, dag_id, created_at FROM backfill",
        "asset": "SELECT id, name, uri FROM asset",
        "asset_alias": "SELECT id, name FROM asset_alias",
        "asset_event": "SELECT e.id, a.name, a.uri, e.source_dag_id, e.source_task_id, "
        "e.source_run_id, e.source_map_index, e.timestamp FROM asset_event e JOIN asset a ON a.id "
        "= e.asset_id",
    },
)  # fmt: skip

SCHEMAS = (AIRFLOW_2, AIRFLOW_3)
