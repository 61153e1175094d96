"""The rows of a benchmark's source environment, as set-based SQL: one statement per table.

Every value follows from the numbers of its DAG (`d`), run (`n`) and task (`t`), so two databases of
one size are equal. All statements read only the helper tables of schema `bench`, so that they can
run in any order and at once.
"""

# ruff: noqa: S608 - fixed text

TASKS = 50
"""Task instances of a run."""
DAGS = 200
CATCH_UP = 20
"""DAGs 0 to 19 catch up."""
UNFINISHED = (30, 39)
"""The latest run of these DAGs is in the middle: one task in every unfinished state."""
CONSUMERS = (180, 189)
"""Triggered by datasets; from 190 on only by hand."""
PAUSED = (175, 179)
LARGE = (60, 69)
"""The latest run of these DAGs has an XCom of 1 MB."""
RENDERED_RUNS = 30
"""Airflow keeps the rendered fields of so many runs."""

HELPERS = f"""
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE UNLOGGED TABLE bench.dag AS
SELECT d, (ARRAY['sales', 'billing', 'ads', 'iot', 'ml', 'finance', 'ops', 'web'])[mod(d, 8) + 1]
          || '_pipeline_' || lpad(d::text, 3, '0') AS dag_id,
       mod(d, 4) = 0 AS mapped,
       CASE WHEN d < {CONSUMERS[0]} THEN 'scheduled'
            WHEN d <= {CONSUMERS[1]} THEN 'dataset_triggered' ELSE 'manual' END AS run_type
FROM generate_series(0, {DAGS - 1}) d;
CREATE UNLOGGED TABLE bench.task AS
SELECT mapped, t,
       CASE WHEN mapped AND t >= 45 THEN 'load_partition' WHEN mapped AND t = 44
            THEN 'list_partitions' ELSE
       (ARRAY['extract', 'validate', 'stage', 'transform', 'load', 'publish', 'check', 'notify',
              'aggregate', 'archive'])[t / 5 + 1] || '_' || lpad(t::text, 2, '0') END AS task_id,
       CASE WHEN mapped AND t >= 45 THEN t - 45 ELSE -1 END AS map_index,
       (ARRAY['PythonOperator', '_PythonDecoratedOperator', 'S3KeySensor', 'AthenaOperator',
              'EmptyOperator'])[mod(t, 5) + 1] AS operator
FROM generate_series(0, {TASKS - 1}) t, (VALUES (true), (false)) m(mapped);
CREATE UNLOGGED TABLE bench.run AS
SELECT n * {DAGS} + d + 1 AS id, n, d, dag_id, mapped, run_type, latest, day,
       run_type || '__' || to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')
           AS run_id,
       latest AND d BETWEEN {UNFINISHED[0]} AND {UNFINISHED[1]} AS unfinished,
       latest AND d BETWEEN 190 AND 192 AS waiting,
       mod(n * 7 + d, 50) = 0 AND NOT latest AS failed
FROM bench.dag, generate_series(0, %(runs)s / {DAGS} - 1) n,
     LATERAL (SELECT n = %(runs)s / {DAGS} - 1, %(anchor)s::timestamptz
              - make_interval(days => %(runs)s / {DAGS} - n)) x(latest, day)
ORDER BY n, d;
ANALYZE bench.dag, bench.task, bench.run;
"""

_STATE = """CASE
    WHEN r.waiting THEN NULL
    WHEN r.unfinished AND t.t >= 20 THEN (ARRAY['deferred', 'running', 'queued', 'up_for_retry',
        'up_for_reschedule', 'restarting', 'scheduled'])[t.t - 19]
    WHEN r.failed AND t.t = 40 THEN 'failed'
    WHEN r.failed AND t.t > 40 THEN 'upstream_failed'
    WHEN mod(r.id * 50 + t.t, 97) = 0 THEN 'skipped'
    ELSE 'success' END"""

_TASK_ROWS = f"""(
    SELECT r.*, t.t, t.task_id, t.map_index, t.operator, r.id * {TASKS} + t.t AS k,
           {_STATE} AS state,
           r.day + make_interval(days => 1, secs => 60 + t.t * 20 + mod(r.id, 17)) AS began
    FROM bench.run r JOIN bench.task t ON t.mapped = r.mapped) x"""
"""Task `k` of all: its run, its place in it, and when it began."""

_HOST = "'ip-10-0-' || mod(k, 4) || '-' || mod(k * 31, 250) || '.ec2.internal'"
_TAKES = "(5 + mod(k, 113) + mod(k, 977) / 1000.0)"
_BEGUN = "coalesce(state, 'scheduled') NOT IN ('scheduled', 'queued', 'upstream_failed')"
_ENDED = "coalesce(state, 'scheduled') IN ('success', 'failed', 'skipped', 'up_for_retry')"

STATEMENTS: dict[str, str] = {
    "dag": f"""
        INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, last_parsed_time, scheduler_lock,
            fileloc, processor_subdir, owners, default_view, schedule_interval,
            timetable_description, max_active_tasks, max_active_runs,
            max_consecutive_failed_dag_runs, has_task_concurrency_limits, has_import_errors,
            next_dagrun, next_dagrun_data_interval_start, next_dagrun_data_interval_end,
            next_dagrun_create_after)
        SELECT dag_id, d BETWEEN {PAUSED[0]} AND {PAUSED[1]}, false, true, %(anchor)s, false,
            '/usr/local/airflow/dags/pipelines_' || lpad((d / 10)::text, 2, '0') || '.py',
            '/usr/local/airflow/dags', 'data-platform', 'grid',
            CASE run_type WHEN 'scheduled' THEN '"@daily"'
                WHEN 'manual' THEN 'null' ELSE '"Dataset"' END,
            CASE run_type WHEN 'scheduled' THEN 'At 00:00' WHEN 'manual'
                THEN 'Never, external triggers only' ELSE 'Triggered by datasets' END,
            16, 16, 0, false, false, x.due, x.due, x.due + interval '1 day',
            x.due + interval '1 day'
        FROM bench.dag, LATERAL (SELECT CASE WHEN run_type = 'scheduled'
            THEN %(anchor)s::timestamptz END) x(due)""",
    "log_template": """
        INSERT INTO log_template (filename, elasticsearch_id, created_at) VALUES
        ('dag_id={{ ti.dag_id }}/run_id={{ ti.run_id }}/attempt={{ try_number }}.log',
         '{dag_id}-{task_id}-{run_id}-{map_index}-{try_number}',
         %(anchor)s::timestamptz - interval '400 days')""",
    "dag_run": """
        INSERT INTO dag_run (id, dag_id, queued_at, execution_date, start_date, end_date, state,
            run_id, creating_job_id, external_trigger, run_type, conf, data_interval_start,
            data_interval_end, last_scheduling_decision, dag_hash, log_template_id, updated_at,
            clear_number)
        SELECT id, dag_id, day + interval '1 day', day, CASE WHEN NOT waiting
            THEN day + interval '1 day 2 seconds' END,
            CASE WHEN NOT unfinished AND NOT waiting THEN day + interval '1 day 20 minutes' END,
            CASE WHEN waiting THEN 'queued' WHEN unfinished THEN 'running'
                WHEN failed THEN 'failed' ELSE 'success' END,
            run_id, 3, run_type = 'manual', run_type, decode('80047d942e', 'hex'), day,
            day + interval '1 day', day + interval '1 day 20 minutes', md5(dag_id),
            (SELECT max(id) FROM log_template), day + interval '1 day 20 minutes', 0
        FROM bench.run ORDER BY id""",
    "task_instance": f"""
        INSERT INTO task_instance (task_id, dag_id, run_id, map_index, start_date, end_date,
            duration, state, try_number, max_tries, hostname, unixname, job_id, pool, pool_slots,
            queue, priority_weight, operator, custom_operator_name, queued_dttm, queued_by_job_id,
            pid, executor_config, updated_at, external_executor_id, trigger_id, trigger_timeout,
            next_method, next_kwargs, task_display_name)
        SELECT task_id, dag_id, run_id, map_index, CASE WHEN {_BEGUN} THEN began END,
            CASE WHEN {_ENDED} THEN began + make_interval(secs => {_TAKES}) END,
            CASE WHEN {_ENDED} THEN {_TAKES} END, state,
            CASE WHEN {_BEGUN} THEN 1 + (mod(k, 101) = 0)::int ELSE 0 END, 2,
            CASE WHEN {_BEGUN} THEN {_HOST} ELSE '' END, 'airflow',
            CASE WHEN {_BEGUN} THEN k END,
            CASE WHEN mod(d, 10) = 3 THEN 'warehouse' ELSE 'default_pool' END, 1, 'default',
            {TASKS} - t, operator,
            CASE WHEN operator = '_PythonDecoratedOperator' THEN '@task' END,
            began - interval '2 seconds', 3, CASE WHEN {_BEGUN} THEN 200 + mod(k, 30000) END,
            decode('80047d942e', 'hex'), began + make_interval(secs => {_TAKES}),
            md5(k::text)::uuid::text,
            CASE WHEN state = 'deferred' THEN 1 + d - {UNFINISHED[0]} END,
            CASE WHEN state = 'deferred' THEN (began + interval '1 day')::timestamp END,
            CASE WHEN state = 'deferred' THEN 'execute_complete' END,
            CASE WHEN state = 'deferred'
                THEN '{{"__var": {{"wait": 300}}, "__type": "dict"}}'::json END, task_id
        FROM {_TASK_ROWS}""",
    "xcom": f"""
        INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp)
        SELECT id, task_id, map_index, 'return_value', dag_id, run_id, convert_to(CASE
            WHEN latest AND d BETWEEN {LARGE[0]} AND {LARGE[1]} AND t = 0 THEN
                (SELECT '"' || string_agg(md5((d * 32768 + i)::text), '') || '"'
                 FROM generate_series(1, 32768) i)
            ELSE '{{"rows": ' || mod(k * 7919::bigint, 1000003) || ', "path": "s3://analytics-lake/'
                || dag_id || '/' || run_id || '/part-' || t || '.parquet", "checksum": "'
                || repeat(md5(k::text), 1 + mod(k, 5)) || '"}}' END, 'UTF8'),
            began + make_interval(secs => {_TAKES})
        FROM {_TASK_ROWS} WHERE mod(t, 2) = 0 AND NOT waiting AND (NOT unfinished OR t <= 24)""",
    "log": f"""
        INSERT INTO log (id, dttm, dag_id, task_id, map_index, event, execution_date, run_id, owner,
            owner_display_name, extra, try_number)
        SELECT k - {TASKS} + 1, began, dag_id, task_id, map_index, CASE mod(t, 4)
                WHEN 0 THEN 'cli_task_run' WHEN 1 THEN 'running' WHEN 2 THEN 'cli_task_run'
                ELSE coalesce(state, 'cleared') END,
            day, run_id, 'data-platform', CASE WHEN mod(t, 2) = 1 THEN 'Data platform' END,
            CASE WHEN mod(t, 2) = 0 THEN '{{"host_name": "' || {_HOST} || '", "full_command": '
                || '"[''/usr/local/airflow/.local/bin/airflow'', ''tasks'', ''run'', '''
                || dag_id || ''', ''' || task_id || ''', ''' || run_id
                || ''', ''--local'', ''--subdir'', ''DAGS_FOLDER/pipelines.py'']"}}' END, 1
        FROM {_TASK_ROWS}""",
    "rendered_task_instance_fields": f"""
        INSERT INTO rendered_task_instance_fields (dag_id, task_id, run_id, map_index,
            rendered_fields)
        SELECT dag_id, task_id, run_id, map_index, ('{{"query": "SELECT * FROM events WHERE ds = '''
            || day::date || ''' AND shard = ' || mod(k, 64) || '", "output": "s3://athena/'
            || md5(k::text) || '"}}')::json
        FROM {_TASK_ROWS}
        WHERE mod(t, 5) = 3 AND NOT waiting AND NOT unfinished
            AND n >= %(runs)s / {DAGS} - {RENDERED_RUNS}""",
    "task_reschedule": f"""
        INSERT INTO task_reschedule (task_id, dag_id, run_id, map_index, try_number, start_date,
            end_date, duration, reschedule_date)
        SELECT task_id, dag_id, run_id, map_index, 1, began, began + interval '3 seconds', 3,
            began + interval '5 minutes'
        FROM {_TASK_ROWS} WHERE (mod(k, 100) = 2 OR state = 'up_for_reschedule')
            AND {_BEGUN} ORDER BY k""",
    "task_fail": f"""
        INSERT INTO task_fail (task_id, dag_id, run_id, map_index, start_date, end_date, duration)
        SELECT task_id, dag_id, run_id, map_index, began - interval '5 minutes',
            began - interval '4 minutes', 60
        FROM {_TASK_ROWS} WHERE (mod(k, 101) = 0 OR state IN ('failed', 'up_for_retry'))
            AND {_BEGUN} ORDER BY k""",
    "task_instance_history": f"""
        INSERT INTO task_instance_history (task_id, dag_id, run_id, map_index, try_number,
            start_date, end_date, duration, state, max_tries, hostname, unixname, job_id, pool,
            pool_slots, queue, priority_weight, operator, executor_config, updated_at,
            external_executor_id, task_display_name)
        SELECT task_id, dag_id, run_id, map_index, 1, began - interval '5 minutes',
            began - interval '4 minutes', 60, 'failed', 2, {_HOST}, 'airflow', k, 'default_pool',
            1, 'default', 1, operator, decode('80047d942e', 'hex'), began, md5(k::text)::uuid::text,
            task_id
        FROM {_TASK_ROWS} WHERE mod(k, 101) = 0 AND {_BEGUN} ORDER BY k""",
    "task_map": f"""
        INSERT INTO task_map (dag_id, task_id, run_id, map_index, length, keys)
        SELECT dag_id, task_id, run_id, -1, 5, NULL
        FROM {_TASK_ROWS} WHERE task_id = 'list_partitions' AND state = 'success'""",
    "dag_run_note": """
        INSERT INTO dag_run_note (user_id, dag_run_id, content, created_at, updated_at)
        SELECT NULL, id, 'checked by on-call: ' || md5(id::text), day, day
        FROM bench.run WHERE mod(id, 100) = 7""",
    "task_instance_note": f"""
        INSERT INTO task_instance_note (user_id, task_id, dag_id, run_id, map_index, content,
            created_at, updated_at)
        SELECT NULL, task_id, dag_id, run_id, map_index, 'source was late', began, began
        FROM {_TASK_ROWS} WHERE mod(k, 2003) = 5""",
    "sla_miss": f"""
        INSERT INTO sla_miss (task_id, dag_id, execution_date, email_sent, timestamp,
            notification_sent)
        SELECT task_id, dag_id, day, true, began, true
        FROM {_TASK_ROWS} WHERE mod(k, 1009) = 3 AND map_index = -1""",
    "dataset": """
        INSERT INTO dataset (id, uri, extra, created_at, updated_at, is_orphaned)
        SELECT i, 's3://analytics-lake/table_' || lpad(i::text, 3, '0'), '{}', %(anchor)s,
            %(anchor)s, false FROM generate_series(1, 50) i""",
    "dataset_event": """
        INSERT INTO dataset_event (id, dataset_id, extra, source_task_id, source_dag_id,
            source_run_id, source_map_index, timestamp)
        SELECT n * 50 + d - 19, d - 19, '{"rows": 1}'::json, 'aggregate_43', dag_id, run_id, -1,
            day + interval '1 day 15 minutes' FROM bench.run WHERE d BETWEEN 20 AND 69
        UNION ALL
        SELECT %(runs)s / 200 * 50 + j, 5 * j - 4, '{"from_rest_api": true}'::json, NULL, NULL,
            NULL, -1, %(anchor)s::timestamptz + interval '30 minutes' + j * interval '1 second'
        FROM generate_series(1, 10) j""",
    "dagrun_dataset_event": """
        INSERT INTO dagrun_dataset_event (dag_run_id, event_id)
        SELECT id, n * 50 + 5 * (d - 180) + e FROM bench.run, generate_series(1, 2) e
        WHERE d BETWEEN 180 AND 189""",
    "dataset_dag_run_queue": """
        INSERT INTO dataset_dag_run_queue (dataset_id, target_dag_id, created_at)
        SELECT 5 * (d - 180) + 1, dag_id, %(anchor)s::timestamptz + interval '30 minutes'
        FROM bench.dag WHERE d BETWEEN 180 AND 189""",
    "dag_schedule_dataset_reference": """
        INSERT INTO dag_schedule_dataset_reference (dataset_id, dag_id, created_at, updated_at)
        SELECT 5 * (d - 180) + e, dag_id, %(anchor)s, %(anchor)s
        FROM bench.dag, generate_series(1, 2) e WHERE d BETWEEN 180 AND 189""",
    "dataset_alias": "INSERT INTO dataset_alias (id, name) SELECT i, 'alias_' || i "
    "FROM generate_series(1, 5) i",
    "dataset_alias_dataset": "INSERT INTO dataset_alias_dataset (alias_id, dataset_id) "
    "SELECT i, i FROM generate_series(1, 5) i",
    "dataset_alias_dataset_event": "INSERT INTO dataset_alias_dataset_event (alias_id, event_id) "
    "SELECT i, i FROM generate_series(1, 5) i",
    "slot_pool": "INSERT INTO slot_pool (pool, slots, description, include_deferred) "
    "SELECT 'pool_' || i, i, 'warehouse slots', false FROM generate_series(1, 9) i "
    "UNION ALL SELECT 'warehouse', 32, NULL, true "
    "UNION ALL SELECT 'default_pool', 128, 'Default pool', false",
    "ab_role": "INSERT INTO ab_role (id, name) VALUES (101, 'Analyst'), (102, 'On-call')",
    "ab_permission": "INSERT INTO ab_permission (id, name) VALUES (101, 'can_read'), "
    "(102, 'can_edit')",
    "ab_view_menu": "INSERT INTO ab_view_menu (id, name) "
    "SELECT 101 + d, 'DAG:' || dag_id FROM bench.dag",
    "ab_permission_view": "INSERT INTO ab_permission_view (id, permission_id, view_menu_id) "
    "SELECT 101 + d, 101 + mod(d, 2), 101 + d FROM bench.dag",
    "ab_permission_view_role": "INSERT INTO ab_permission_view_role (id, permission_view_id, "
    "role_id) SELECT 101 + d, 101 + d, 101 + mod(d, 2) FROM bench.dag",
}
"""Where rows are numbered here, `ddl.heal_sequences` moves the sequence behind them."""
