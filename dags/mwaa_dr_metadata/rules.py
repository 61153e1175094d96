"""What is done with each table of Airflow's metadata database: declarations, no code.

Written in the vocabulary of Airflow 2.10, and for what came later in that of the version that
brought it; `RENAMED_*` say what later versions call the same thing. One set of rules fits every
version: what a rule names and a version lacks, is left out there. Columns that are not mentioned
are carried as they are. A table without a rule is not carried; the manifest says so and why.
"""

from contract.names import RECOVERY_DAG_PREFIX
from mwaa_dr_metadata.declarations import Merge, Ref, Sealed, TableRule, Where

OWN_PREFIX = RECOVERY_DAG_PREFIX
"""DAGs, variables, connections and pools of ours start with this: a target keeps its own."""

RENAMED_TABLES = {"dataset": "asset"}
"""From Airflow 3.0, as part of every table name that contains it."""

RENAMED_COLUMNS = {
    "execution_date": "logical_date",
    "dataset_id": "asset_id",
    "ROW(d.uri)": "ROW(d.name, d.uri)",
}
"""From Airflow 3.0, where a name belongs to an asset's identity."""


def _of_run(
    name: str,
    *refs: Ref,
    nulls: tuple[str, ...] = (),
    versions: tuple[str, ...] = (),
    numbers: tuple[str, ...] = (),
) -> TableRule:
    return TableRule(
        name,
        Merge.OF_RUN,
        Where.BY_RUN,
        refs=refs,
        nulls=nulls,
        versions=versions,
        numbers=numbers,
    )


def _named(name: str, *key: str, refs: tuple[Ref, ...] = ()) -> TableRule:
    """What is only added where it is missing, with the history."""
    return TableRule(name, Merge.UPSERT, Where.NONE, key=key or ("name",), refs=refs, update=())


_RUN = Ref("dag_run_id", "dag_run")
_AUTHOR = Ref("user_id", "ab_user", required=False)
_DATASET = Ref("dataset_id", "dataset")
_ALIAS = Ref("alias_id", "dataset_alias")
_EVENT = Ref("event_id", "dataset_event")
_BACKFILL = Ref("backfill_id", "backfill")
_JOBS = ("job_id", "queued_by_job_id")
_VERSION = ("dag_version_id",)

REACHES_RUN = {
    "ti_id": ("task_instance", "id"),
    "ti_history_id": ("task_instance_history", "task_instance_id"),
    "asset_partition_dag_run_id": ("asset_partition_dag_run", "id"),
}
"""Of rows that do not name their run: column -> (table, column) of the row that leads to it."""
RUN_IDS = ("dag_run_id", "created_dag_run_id")
"""What columns with a run's id are called."""

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
_NEXT_PARTITION = ("next_dagrun_partition_key", "next_dagrun_partition_date")

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
        # The rest is what parsing found in this environment.
        update=("is_paused", *NEXT_RUN, *_NEXT_PARTITION),
    ),
    TableRule("team", Merge.UPSERT, key=("name",), update=()),
    TableRule(
        "dag_bundle",  # for the DAGs that name it; the rest is each environment's own business
        Merge.UPSERT,
        key=("name",),
        nulls=("version", "last_refreshed", "signed_url_template", "template_params"),
        update=(),
    ),
    TableRule("dataset", Merge.UPSERT, key=("name", "uri"), update=()),
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
    TableRule(
        "asset_state_store",
        Merge.UPSERT,
        key=("asset_id", "key"),
        refs=(Ref("asset_id", "asset"),),
        follows=True,
    ),
    TableRule(
        "asset_partition_dag_run",
        Merge.KEYED,
        Where.BY_RUN,
        key=("target_dag_id", "partition_key", "created_at"),
        dag=("target_dag_id",),
        refs=(Ref("created_dag_run_id", "dag_run", required=False),),
    ),
    TableRule(
        "partitioned_asset_key_log",  # no foreign keys: what it refers to may be gone
        Merge.KEYED,
        Where.BY_RUN,
        key=("asset_partition_dag_run_id", "asset_event_id"),
        dag=("target_dag_id",),
        refs=(
            Ref("asset_id", "asset", together=True),
            Ref("asset_event_id", "asset_event", together=True),
            Ref("asset_partition_dag_run_id", "asset_partition_dag_run", together=True),
        ),
    ),
    TableRule(
        "trigger", Merge.PARKED, keep_id=True, sealed=(Sealed("kwargs"),), nulls=("triggerer_id",)
    ),
    TableRule("callback", Merge.PARKED, nulls=("trigger_id",)),
    TableRule(
        "deadline",
        Merge.PARKED,
        refs=(Ref("dagrun_id", "dag_run"),),
        nulls=("deadline_alert_id",),  # parsing makes others
    ),
    TableRule("backfill", Merge.KEYED, key=("dag_id", "created_at"), dag=("dag_id",)),
    TableRule(
        "dag_run",
        Merge.RUN,
        Where.BY_RUN,
        key=("dag_id", "run_id"),
        dag=("dag_id",),
        refs=(Ref("log_template_id", "log_template"), Ref("backfill_id", "backfill", False)),
        versions=("created_dag_version_id",),
        nulls=("creating_job_id", "scheduled_by_job_id"),
        numbers=("id",),
    ),
    TableRule(
        "backfill_dag_run",
        Merge.KEYED,
        Where.BY_RUN,
        key=("backfill_id", "sort_ordinal"),
        refs=(_BACKFILL, Ref("dag_run_id", "dag_run", required=False)),
    ),
    _of_run("task_instance", nulls=_JOBS, versions=_VERSION),
    _of_run("task_instance_history", nulls=(*_JOBS, "trigger_id"), versions=_VERSION),
    _of_run("hitl_detail"),
    _of_run("hitl_detail_history"),
    _of_run("task_state_store", _RUN),
    _of_run("xcom", _RUN, numbers=("dag_run_id",)),
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
        until="asset",
    ),
    TableRule("log", Merge.LEDGER, Where.NONE, dag=("dag_id",), time="dttm", slice=True),
    _named("ab_permission"),
    _named("ab_view_menu"),
    _named("ab_role"),
    _named("ab_group"),
    _named(
        "ab_permission_view",
        *("permission_id", "view_menu_id"),
        refs=(Ref("permission_id", "ab_permission"), Ref("view_menu_id", "ab_view_menu")),
    ),
    _named(
        "ab_permission_view_role",
        *("permission_view_id", "role_id"),
        refs=(Ref("permission_view_id", "ab_permission_view"), Ref("role_id", "ab_role")),
    ),
    _named(
        "ab_group_role",
        *("group_id", "role_id"),
        refs=(Ref("group_id", "ab_group"), Ref("role_id", "ab_role")),
    ),
)

IDENTITY: dict[str, dict[str, str | tuple[str, ...]]] = {
    "dag_run": {"dag_id": "{p}.dag_id", "run_id": "{p}.run_id"},
    "dataset": {"name": "{p}.name", "uri": "{p}.uri"},
    "dataset_alias": {"name": "{p}.name"},
    "dataset_event": {
        "timestamp": "{p}.timestamp",
        "digest": (
            "(SELECT ROW(d.uri)::text FROM dataset d WHERE d.id = {p}.dataset_id)",
            *("{p}.source_dag_id", "{p}.source_task_id", "{p}.source_run_id"),
            *("{p}.source_map_index", "{p}.partition_key"),
            # Equal events are told apart by their order, which a ledger keeps.
            "(SELECT count(*) FROM dataset_event q WHERE q.dataset_id = {p}.dataset_id "
            "AND q.timestamp = {p}.timestamp AND q.id < {p}.id)",
        ),
    },
    # Every run carries its template's digest, not the template, which is carried once.
    "log_template": {"digest": ("{p}.filename", "{p}.elasticsearch_id")},
    "backfill": {"dag_id": "{p}.dag_id", "created_at": "{p}.created_at"},
    "asset_partition_dag_run": {
        "dag_id": "{p}.target_dag_id",
        "partition_key": "{p}.partition_key",
        "created_at": "{p}.created_at",
    },
    "ab_user": {"username": "{p}.username"},
    "ab_role": {"name": "{p}.name"},
    "ab_group": {"name": "{p}.name"},
    "ab_permission": {"name": "{p}.name"},
    "ab_view_menu": {"name": "{p}.name"},
    "ab_permission_view": {
        "permission": "(SELECT x.name FROM ab_permission x WHERE x.id = {p}.permission_id)",
        "view_menu": "(SELECT x.name FROM ab_view_menu x WHERE x.id = {p}.view_menu_id)",
    },
}
"""What names a row of a table in any environment: SQL over the row `{p}`; several expressions are
carried as one digest of them. Where rows share an identity (log templates of equal content), a
reference means the first of them."""

IDENTITY_TYPES: dict[str, str] = dict.fromkeys(
    ("timestamp", "created_at"), "timestamp with time zone"
)
"""Types of identity columns; `text` unless given."""

_PARSED = "Airflow rebuilds it when it parses the DAGs"
_HOST = "it is bound to the processes of one environment"
_ACCOUNT = "MWAA makes users from IAM identities"
_SESSION = "web sessions and tokens end with the environment, whose key signed them"

EXCLUDED: dict[str, str] = {
    **dict.fromkeys(
        (
            *("serialized_dag", "dag_code", "dag_version", "dag_tag", "dag_warning"),
            *("dag_owner_attributes", "dag_pickle", "import_error", "dag_priority_parsing_request"),
            *("dag_schedule_dataset_reference", "dag_schedule_dataset_alias_reference"),
            *("dag_schedule_asset_name_reference", "dag_schedule_asset_uri_reference"),
            *("task_outlet_dataset_reference", "task_inlet_asset_reference", "asset_active"),
            *("asset_trigger", "asset_watcher", "deadline_alert"),
        ),
        _PARSED,
    ),
    **dict.fromkeys(("job", "callback_request", "celery_taskmeta", "celery_tasksetmeta"), _HOST),
    **dict.fromkeys(
        ("ab_user", "ab_user_role", "ab_user_group", "ab_register_user", "dag_favorite"), _ACCOUNT
    ),
    **dict.fromkeys(("session", "revoked_token"), _SESSION),
    "dag_bundle_team": "Airflow writes it from the environment's configuration",
    "connection_test_request": "a test of a connection means nothing later; it holds a secret",
}
"""Tables that are left out on purpose; `alembic_version*` is compared, never carried."""

LEFTOVER = "a leftover of an upgrade or of `airflow db clean`, which this version does not read"
"""Why tables are left out that no version of Airflow would miss: archives and renamed ones."""
