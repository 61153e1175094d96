"""What is done with each table of Airflow's metadata database: declarations, no code.

Written in the vocabulary of Airflow 2.10; `RENAMED_*` say what later versions call the same thing.
Columns that are not mentioned are carried as they are. A table without a rule is not carried; the
manifest says so and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from contract.names import RECOVERY_DAG_PREFIX

OWN_PREFIX = RECOVERY_DAG_PREFIX
"""DAGs, variables, connections and pools of ours start with this: a target keeps its own."""

RENAMED_TABLES = {"dataset": "asset"}
"""From Airflow 3.0, as part of every table name that contains it."""

RENAMED_COLUMNS = {"execution_date": "logical_date", "dataset_id": "asset_id"}
"""From Airflow 3.0."""


class Merge(Enum):
    """How the rows of a backup get into a table."""

    UPSERT = auto()
    """By a unique key: the backup wins in `update`, other rows of the target stay."""
    MIRROR = auto()
    """Like `UPSERT`, and rows that the backup does not have go."""
    LEDGER = auto()
    """No unique key: as many equal rows as the backup has, never fewer, none twice."""
    RUN = auto()
    """A DAG run: resume replaces it with all that hangs on it, history leaves existing ones."""
    OF_RUN = auto()
    """Hangs on a DAG run: inserted exactly where its run was inserted by the same import."""
    TEMPLATE = auto()
    """Log templates: by content, and never so that an old one becomes the newest."""
    PARKED = auto()
    """Carried, but written only at promotion."""


class Where(Enum):
    """Which of a table's rows belong to the resume set."""

    ALL = auto()
    NONE = auto()
    BY_RUN = auto()
    PENDING_EVENTS = auto()
    """Dataset events that no run of their consumers has taken yet, or that resume runs took."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A column that holds another row's serial id, which differs between two databases.

    Exported as the parent's natural key (`IDENTITY`), looked up again at import.

    Args:
        required: a row whose parent is not there must not be restored; otherwise it becomes NULL.
    """

    column: str
    parent: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that Airflow encrypts with the environment's Fernet key.

    Args:
        flag: the boolean column that says whether it is; empty where the text itself says it.
    """

    column: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class TableRule:
    """One table.

    Args:
        key: its natural key.
        dag: columns with a DAG id: rows of recovery DAGs are neither exported nor touched.
        own: a column whose values starting with `OWN_PREFIX` belong to the site itself.
        refs: columns that hold other rows' serial ids.
        sealed: ciphertext columns.
        nulls: columns that mean nothing in another environment.
        fixed: column -> SQL expression that replaces the value at import.
        update: columns an `UPSERT` changes in an existing row; None for all of them.
        time: of a `LEDGER`, the column that narrows the search for rows that are there already.
            Equal rows have equal times.
        keep_id: export the serial id, because other rows of the backup refer to it.
        slice: export in slices of `time`, newest first.
        follows: a standby loses the rows that the source lost.
    """

    name: str
    merge: Merge
    resume: Where = Where.ALL
    key: tuple[str, ...] = ()
    dag: tuple[str, ...] = ()
    own: str = ""
    refs: tuple[Ref, ...] = ()
    sealed: tuple[Sealed, ...] = ()
    nulls: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    update: tuple[str, ...] | None = None
    time: str = ""
    keep_id: bool = False
    slice: bool = False
    follows: bool = False


def _of_run(name: str, *refs: Ref, nulls: tuple[str, ...] = ()) -> TableRule:
    return TableRule(name, Merge.OF_RUN, Where.BY_RUN, refs=refs, nulls=nulls)


_RUN = Ref("dag_run_id", "dag_run")
_AUTHOR = Ref("user_id", "ab_user", required=False)
_DATASET = Ref("dataset_id", "dataset")
_ALIAS = Ref("alias_id", "dataset_alias")
_EVENT = Ref("event_id", "dataset_event")
_JOBS = ("job_id", "queued_by_job_id")

NEXT_RUN = (
    "next_dagrun",
    "next_dagrun_data_interval_start",
    "next_dagrun_data_interval_end",
    "next_dagrun_create_after",
)
"""Without them a catch-up DAG would re-run its whole past."""

_LOCAL_DAG = {
    "is_paused": "TRUE",  # un-pausing is the promotion's business
    "last_parsed_time": "now()",  # an old time would make Airflow take the DAG for removed
    "pickle_id": "NULL",
    "scheduler_lock": "NULL",
}

RULES: tuple[TableRule, ...] = (
    TableRule("log_template", Merge.TEMPLATE, key=("filename", "elasticsearch_id"), keep_id=True),
    TableRule(
        "variable",
        Merge.UPSERT,
        key=("key",),
        own="key",
        sealed=(Sealed("val", "is_encrypted"),),
        follows=True,
    ),
    TableRule(
        "connection",
        Merge.UPSERT,
        key=("conn_id",),
        own="conn_id",
        sealed=(Sealed("password", "is_encrypted"), Sealed("extra", "is_extra_encrypted")),
        follows=True,
    ),
    TableRule("slot_pool", Merge.UPSERT, key=("pool",), own="pool", follows=True),
    TableRule(
        "dag",
        Merge.UPSERT,
        key=("dag_id",),
        dag=("dag_id",),
        fixed=_LOCAL_DAG,
        update=("is_paused", *NEXT_RUN),  # the rest is what parsing found in this environment
    ),
    TableRule("dataset", Merge.UPSERT, key=("uri",), update=()),
    TableRule("dataset_alias", Merge.UPSERT, key=("name",), update=()),
    TableRule(
        "dataset_alias_dataset",
        Merge.UPSERT,
        key=("alias_id", "dataset_id"),
        refs=(_ALIAS, _DATASET),
        update=(),
    ),
    TableRule(
        "dataset_event",
        Merge.LEDGER,
        Where.PENDING_EVENTS,
        dag=("source_dag_id",),
        refs=(_DATASET,),
        time="timestamp",
    ),
    TableRule(
        "dataset_alias_dataset_event",
        Merge.UPSERT,
        Where.NONE,
        key=("alias_id", "event_id"),
        refs=(_ALIAS, _EVENT),
        update=(),
    ),
    TableRule(
        "dataset_dag_run_queue",
        Merge.MIRROR,
        key=("dataset_id", "target_dag_id"),
        dag=("target_dag_id",),
        refs=(_DATASET,),
    ),
    TableRule("trigger", Merge.PARKED, keep_id=True, sealed=(Sealed("kwargs"),)),
    TableRule(
        "dag_run",
        Merge.RUN,
        Where.BY_RUN,
        key=("dag_id", "run_id"),
        dag=("dag_id",),
        refs=(Ref("log_template_id", "log_template"),),
        nulls=("creating_job_id", "scheduled_by_job_id"),
    ),
    _of_run("task_instance", nulls=_JOBS),
    _of_run("task_instance_history", nulls=(*_JOBS, "trigger_id")),
    _of_run("xcom", _RUN),
    _of_run("task_map"),
    _of_run("task_reschedule"),
    _of_run("task_fail"),
    _of_run("rendered_task_instance_fields"),
    _of_run("dag_run_note", _RUN, _AUTHOR),
    _of_run("task_instance_note", _AUTHOR),
    _of_run("dagrun_dataset_event", _RUN, _EVENT),
    TableRule(
        "sla_miss",
        Merge.UPSERT,
        Where.NONE,
        key=("task_id", "dag_id", "execution_date"),
        dag=("dag_id",),
        follows=True,
    ),
    TableRule("log", Merge.LEDGER, Where.NONE, dag=("dag_id",), time="dttm", slice=True),
    TableRule("ab_permission", Merge.UPSERT, Where.NONE, key=("name",), update=()),
    TableRule("ab_view_menu", Merge.UPSERT, Where.NONE, key=("name",), update=()),
    TableRule("ab_role", Merge.UPSERT, Where.NONE, key=("name",), update=()),
    TableRule(
        "ab_permission_view",
        Merge.UPSERT,
        Where.NONE,
        key=("permission_id", "view_menu_id"),
        refs=(Ref("permission_id", "ab_permission"), Ref("view_menu_id", "ab_view_menu")),
        update=(),
    ),
    TableRule(
        "ab_permission_view_role",
        Merge.UPSERT,
        Where.NONE,
        key=("permission_view_id", "role_id"),
        refs=(Ref("permission_view_id", "ab_permission_view"), Ref("role_id", "ab_role")),
        update=(),
    ),
)

_EVENT_DIGEST = (
    "md5(ROW((SELECT d.uri FROM dataset d WHERE d.id = {p}.dataset_id), {p}.source_dag_id, "
    "{p}.source_task_id, {p}.source_run_id, {p}.source_map_index)::text)"
)

IDENTITY: dict[str, dict[str, str]] = {
    "dag_run": {"dag_id": "{p}.dag_id", "run_id": "{p}.run_id"},
    "dataset": {"uri": "{p}.uri"},
    "dataset_alias": {"name": "{p}.name"},
    "dataset_event": {"timestamp": "{p}.timestamp", "digest": _EVENT_DIGEST},
    # Every run carries its template's digest, not the template, which is carried once.
    "log_template": {"digest": "md5(ROW({p}.filename, {p}.elasticsearch_id)::text)"},
    "ab_user": {"username": "{p}.username"},
    "ab_role": {"name": "{p}.name"},
    "ab_permission": {"name": "{p}.name"},
    "ab_view_menu": {"name": "{p}.name"},
    "ab_permission_view": {
        "permission": "(SELECT x.name FROM ab_permission x WHERE x.id = {p}.permission_id)",
        "view_menu": "(SELECT x.name FROM ab_view_menu x WHERE x.id = {p}.view_menu_id)",
    },
}
"""What names a row of a table in any environment: SQL over the row `{p}`. Several rows may share an
identity (two equal events); a reference then means the first of them."""

IDENTITY_TYPES = {"timestamp": "timestamp with time zone"}
"""Types of identity columns; `text` unless given."""

_PARSED = "Airflow rebuilds it when it parses the DAGs"
_HOST = "it is bound to the processes of one environment"
_ACCOUNT = "MWAA makes users from IAM identities"

EXCLUDED: dict[str, str] = {
    **dict.fromkeys(
        (
            *("serialized_dag", "dag_code", "dag_tag", "dag_warning", "dag_owner_attributes"),
            *("dag_schedule_dataset_reference", "dag_schedule_dataset_alias_reference"),
            *("task_outlet_dataset_reference", "import_error", "dag_priority_parsing_request"),
            "dag_pickle",
        ),
        _PARSED,
    ),
    **dict.fromkeys(("job", "callback_request"), _HOST),
    **dict.fromkeys(("ab_user", "ab_user_role", "ab_register_user"), _ACCOUNT),
    "session": "web sessions end with the environment",
    "celery_taskmeta": _HOST,
    "celery_tasksetmeta": _HOST,
}
"""Tables that are left out on purpose; `alembic_version*` is compared, never carried."""
