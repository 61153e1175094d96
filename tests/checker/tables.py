"""Which rows of the metadata database must have come along, and how to recognise them again.

Numbers that a database gave out itself mean nothing in another one: a reference is followed to the
natural key of what it points to before anything is compared.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Args:
        name: as of Airflow 2; `newer` is its name from Airflow 3 on.
        key: columns that make a row unique everywhere; empty when only the whole row does.
        drop: columns that mean nothing elsewhere (own ids, ids of processes and jobs, accounts).
        refs: column -> table it points to by `id`.
        cipher: column -> column that says whether it is encrypted.
        only: compare these columns and no other; empty means all.
        changing: its rows change all the time by themselves, so the row as it is now is compared
            even if its version is younger than the snapshot.
        consumed: rows vanish when the new owner has used them.
        own: condition that picks rows of the recovery itself, which do not travel.
    """

    name: str
    key: tuple[str, ...] = ()
    newer: str = ""
    drop: tuple[str, ...] = ("id",)
    refs: dict[str, str] = field(default_factory=dict)
    cipher: dict[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    changing: bool = False
    consumed: bool = False
    own: str = "false"


OWN_DAG = "dag_id LIKE 'mwaa\\_dr\\_%'"
JOBS = ("id", "job_id", "queued_by_job_id", "trigger_id", "external_executor_id")
TASK = ("dag_id", "task_id", "run_id", "map_index")

TABLES: tuple[Table, ...] = (
    Table("variable", ("key",), cipher={"val": "is_encrypted"}, own="key LIKE 'mwaa\\_dr\\_%'"),
    Table(
        "connection",
        ("conn_id",),
        cipher={"password": "is_encrypted", "extra": "is_extra_encrypted"},
        own="conn_id LIKE 'mwaa\\_dr\\_%'",
    ),
    Table("slot_pool", ("pool",)),
    Table("dag", ("dag_id",), only=("is_paused",), changing=True, own=OWN_DAG),
    Table(
        "dag_run",
        ("dag_id", "run_id"),
        drop=("id", "creating_job_id"),
        refs={"log_template_id": "log_template"},
        own=OWN_DAG,
    ),
    Table("task_instance", TASK, drop=JOBS, own=OWN_DAG),
    Table("task_instance_history", (*TASK, "try_number"), drop=JOBS, own=OWN_DAG),
    Table("task_fail", own=OWN_DAG),
    Table("task_reschedule", own=OWN_DAG),
    Table("task_map", TASK, own=OWN_DAG),
    Table("xcom", (*TASK, "key"), drop=(), refs={"dag_run_id": "dag_run"}, own=OWN_DAG),
    Table("rendered_task_instance_fields", TASK, own=OWN_DAG),
    Table("log", own=OWN_DAG),
    Table("sla_miss", ("dag_id", "task_id", "execution_date"), own=OWN_DAG),
    Table(
        "dag_run_note", ("dag_run_id",), drop=("user_id",), refs={"dag_run_id": "dag_run"},
        own=f"dag_run_id IN (SELECT id FROM dag_run WHERE {OWN_DAG})",  # noqa: S608
    ),
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
    Table("ab_role", ("name",)),
)  # fmt: skip
"""Everything else is rebuilt by Airflow from the DAG files or belongs to one environment alone:
serialized DAGs, tags, owners, parse errors, jobs, sessions, users, triggers of cut-off tasks."""

LOOKUPS: dict[str, str] = {
    "dag_run": "SELECT id, dag_id, run_id FROM dag_run",
    "dataset": "SELECT id, uri FROM dataset",
    "dataset_alias": "SELECT id, name FROM dataset_alias",
    "dataset_event": "SELECT e.id, d.uri, e.source_dag_id, e.source_task_id, e.source_run_id, "
    "e.source_map_index, e.timestamp FROM dataset_event e JOIN dataset d ON d.id = e.dataset_id",
    "log_template": "SELECT id, filename, elasticsearch_id FROM log_template",
}
"""How to turn an id into the natural key of its row."""
