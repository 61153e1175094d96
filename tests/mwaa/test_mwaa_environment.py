"""A real environment, from CreateEnvironment to its deletion."""

import base64
import http.client
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from mwaa_world import ACCOUNT, REGION, VERSION, Mwaa, client, open_world, until

from local import leash
from local.mwaa.family import numbers

pytestmark = pytest.mark.airflow

NAME = "made"
ROW = {
    "dag_id": "eager", "is_paused": True, "max_active_tasks": 1,
    "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
}  # fmt: skip
INSERTED: dict[int, dict[str, dict[str, Any]]] = {
    2: {"dag": {**ROW, "is_active": True, "is_subdag": False, "has_import_errors": False}},
    3: {
        "dag_bundle": {"name": "dags-folder"},
        "dag": {**ROW, "is_stale": False, "bundle_name": "dags-folder", "timetable_type": ""},
    },
}
"""Rows of a paused DAG, by table and by Airflow's major version."""
NOT_FOUND = {
    2: {"title": "DAG not found"},
    3: {"detail": "The Dag with ID: `nowhere` was not found"},
}
"""Part of what the REST API answers."""
MAJOR = numbers(VERSION)[0]
STARTUP = (
    """
export FROM_SCRIPT=kept AIRFLOW__CORE__PARALLELISM=7 AIRFLOW__CORE__EXECUTOR=SequentialExecutor
echo "component $MWAA_AIRFLOW_COMPONENT"
if [ "$MWAA_AIRFLOW_COMPONENT" = scheduler ]; then
python3 - <<'PYTHON'
import os, psycopg2
with psycopg2.connect(
    host=os.environ["POSTGRES_HOST"], port=os.environ["POSTGRES_PORT"],
    dbname=os.environ["POSTGRES_DB"], user=os.environ["MWAA__DB__POSTGRES_USER"],
    password=os.environ["MWAA__DB__POSTGRES_PASSWORD"],
) as connection, connection.cursor() as cursor:
    cursor.execute("select count(*) from job")
    print("jobs before the script:", cursor.fetchone()[0])
    for table, row in INSERTED.items():
        cursor.execute(
            f"insert into {table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))}) "
            "on conflict do nothing",
            list(row.values()),
        )
PYTHON
fi
"""
).replace("INSERTED", repr(INSERTED[MAJOR]))
DAG = """
import os
from datetime import datetime, timedelta
try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG
    from airflow.decorators import task

with DAG(
    {name!r}, schedule=timedelta(seconds=5), start_date=datetime(2024, 1, 1), catchup=False,
    is_paused_upon_creation=False,
):
    @task
    def show():
        return {{
            key: os.environ.get(key) for key in
            ("FROM_SCRIPT", "AWS_REGION", "AIRFLOW__MWAA_DR__SITE", "AIRFLOW__CORE__PARALLELISM",
             "AIRFLOW__CORE__EXECUTOR", "VIRTUAL_ENV", "PYTHONPATH", "MWAA_AIRFLOW_COMPONENT")
        }}

    show()
"""


@pytest.fixture(scope="module")
def made(
    endpoint: str, surroundings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mwaa]:
    """One environment for the tests of this file, which go on where the one before ended."""
    s3 = client("s3", endpoint)
    script = s3.put_object(Bucket="dag-bucket", Key="startup.sh", Body=STARTUP.encode())
    for name in ("eager", "steady"):
        s3.put_object(
            Bucket="dag-bucket", Key=f"dags/team/{name}.py", Body=DAG.format(name=name).encode()
        )
    world = open_world(endpoint, tmp_path_factory.mktemp("mwaa"))
    world.api.create_environment(
        **surroundings,
        Name=NAME,
        StartupScriptS3Path="startup.sh",
        StartupScriptS3ObjectVersion=script["VersionId"],
        AirflowConfigurationOptions={"mwaa_dr.site": "primary"},
        Tags={"team": "data"},
    )
    document = world.wait(NAME, "AVAILABLE", "CREATE_FAILED", seconds=200)
    assert document["Status"] == "AVAILABLE", document["LastUpdate"]
    yield world
    world.close()


def described(world: Mwaa) -> dict[str, Any]:
    return world.describe(NAME)


def query(world: Mwaa, sql: str) -> list[tuple]:
    url = described(world)["database_url"].replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def shown(world: Mwaa) -> list[dict[str, Any]]:
    """What the tasks of `steady` saw in their environments, oldest first."""
    sql = (
        "select value from xcom where dag_id = 'steady' and key = 'return_value' order by timestamp"
    )
    values = [value for (value,) in query(world, sql)]  # bytes before Airflow 3, JSON since
    return [json.loads(bytes(v)) if isinstance(v, memoryview) else v for v in values]


def processes(world: Mwaa) -> list[psutil.Process]:
    return [item for pid in described(world)["pids"].values() for item in leash.tree(pid)]


def test_created_environment_is_usable_and_says_so(made: Mwaa) -> None:
    document = made.get(NAME)

    assert document["Status"] == "AVAILABLE"
    assert document["LastUpdate"]["Status"] == "SUCCESS"
    health = made.service._environment(REGION, NAME).runtime.web.health()
    assert health["scheduler"]["status"] == "healthy"


def test_dag_from_the_bucket_runs_on_its_schedule_with_mwaa_variables(made: Mwaa) -> None:
    until(lambda: shown(made), 60)

    assert shown(made)[0] == {
        "FROM_SCRIPT": "kept",
        "AWS_REGION": REGION,
        "AIRFLOW__MWAA_DR__SITE": "primary",
        "AIRFLOW__CORE__PARALLELISM": "7",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "VIRTUAL_ENV": None,
        "PYTHONPATH": None,
        "MWAA_AIRFLOW_COMPONENT": "scheduler",
    }


def test_dag_row_that_the_startup_script_inserted_paused_stays_paused(made: Mwaa) -> None:
    until(lambda: query(made, "select 1 from serialized_dag where dag_id = 'eager'"), 60)
    until(lambda: query(made, "select 1 from dag_run where dag_id = 'steady' offset 1"), 60)

    assert query(made, "select is_paused from dag where dag_id = 'eager'") == [(True,)]
    assert query(made, "select is_paused from dag where dag_id = 'steady'") == [(False,)]
    assert query(made, "select count(*) from dag_run where dag_id = 'eager'") == [(0,)]


def test_startup_script_runs_before_the_scheduler(made: Mwaa) -> None:
    output = Path(described(made)["log_dir"]) / "startup-script-scheduler.log"

    assert output.read_text().splitlines()[:2] == [
        "component scheduler",
        "jobs before the script: 0",
    ]


def test_rest_api_is_forwarded_with_its_errors(made: Mwaa) -> None:
    found = made.api.invoke_rest_api(
        Name=NAME, Method="GET", Path="/dags", QueryParameters={"dag_id_pattern": "eag"}
    )
    assert found["RestApiStatusCode"] == 200
    assert [item["dag_id"] for item in found["RestApiResponse"]["dags"]] == ["eager"]

    body = {"key": "colour", "value": "blue"}
    made.api.invoke_rest_api(Name=NAME, Method="POST", Path="/variables", Body=body)
    assert query(made, "select key from variable") == [("colour",)]

    with pytest.raises(made.api.exceptions.RestApiClientException) as refused:
        made.api.invoke_rest_api(Name=NAME, Method="GET", Path="/dags/nowhere")
    assert refused.value.response["RestApiStatusCode"] == 404
    assert refused.value.response["RestApiResponse"].items() >= NOT_FOUND[MAJOR].items()


@pytest.mark.usefixtures("made")
def test_heartbeat_and_infrastructure_metrics_arrive_in_cloudwatch(endpoint: str) -> None:
    def values(namespace: str, metric: str, dimension: dict[str, str]) -> list[float]:
        dimensions = {"Environment": NAME, **dimension}
        now = datetime.now(UTC)
        points = client("cloudwatch", endpoint).get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return [point["Sum"] for point in points]

    beats = until(lambda: values("AmazonMWAA", "SchedulerHeartbeat", {"Function": "Scheduler"}), 30)
    assert sum(beats) >= 1
    assert until(lambda: values("AmazonMWAA", "DagBagSize", {"Function": "DAG Processing"}), 60)
    assert sum(until(lambda: values("AWS/MWAA", "CPUUtilization", {"Cluster": "Scheduler"}), 30))


def test_dag_that_leaves_the_bucket_leaves_the_folder(made: Mwaa, endpoint: str) -> None:
    s3 = client("s3", endpoint)
    s3.put_object(Bucket="dag-bucket", Key="dags/late/new.txt", Body=b"one")
    file = Path(described(made)["home"]) / "dags/late/new.txt"
    until(file.exists, 15)
    s3.put_object(Bucket="dag-bucket", Key="dags/late/new.txt", Body=b"two")
    until(lambda: file.read_bytes() == b"two", 15)
    s3.delete_object(Bucket="dag-bucket", Key="dags/late/new.txt")
    until(lambda: not file.parent.exists(), 15)


def test_cli_endpoint_runs_supported_commands_only(made: Mwaa) -> None:
    def send(command: str, token: str | None = None) -> tuple[int, dict[str, str]]:
        ticket = made.api.create_cli_token(Name=NAME)
        connection = http.client.HTTPConnection(ticket["WebServerHostname"], timeout=60)
        headers = {"Authorization": f"Bearer {token or ticket['CliToken']}"}
        connection.request("POST", "/aws_mwaa/cli", body=command, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)

    status, answer = send("version")
    assert status == 200
    assert base64.b64decode(answer["stdout"]).decode().strip() == made.get(NAME)["AirflowVersion"]
    assert send("connections export -")[0] == 400
    assert send("version", token="stale")[0] == 403


def test_container_whose_scheduler_dies_is_replaced(made: Mwaa) -> None:
    before = processes(made)
    scheduler = next(item for item in before if item.cmdline()[2:3] == ["scheduler"])
    below = scheduler.children(recursive=True)
    jobs = "select count(*) from job where job_type = 'SchedulerJob'"
    count = query(made, jobs)
    scheduler.kill()

    until(lambda: not any(leash.living(item) for item in below), 10)
    until(lambda: query(made, jobs) > count, 60)


def test_update_restarts_with_the_new_options(made: Mwaa) -> None:
    made.api.update_environment(
        Name=NAME, AirflowConfigurationOptions={"mwaa_dr.site": "dr"}, MaxWorkers=3
    )
    assert made.get(NAME)["Status"] == "UPDATING"
    with pytest.raises(made.api.exceptions.ValidationException, match="UPDATING"):
        made.api.update_environment(Name=NAME, MaxWorkers=4)
    document = made.wait(NAME, "AVAILABLE", "UPDATE_FAILED", "UNAVAILABLE")

    assert document["Status"] == "AVAILABLE"
    assert document["MaxWorkers"] == 3
    until(lambda: shown(made)[-1]["AIRFLOW__MWAA_DR__SITE"] == "dr", 30)


def test_update_that_cannot_work_fails_and_changes_nothing(made: Mwaa) -> None:
    made.api.update_environment(Name=NAME, ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/nobody")
    document = made.wait(NAME, "UPDATE_FAILED", seconds=60)

    assert "nobody" in document["LastUpdate"]["Error"]["ErrorMessage"]
    assert document["ExecutionRoleArn"].endswith("mwaa-execution")


def test_lost_region_dies_within_a_second_and_comes_back(made: Mwaa) -> None:
    before = processes(made)
    assert len(before) > 5
    started = time.monotonic()
    made.service.lose_region(REGION)
    assert time.monotonic() - started < 1
    assert not [item for item in before if leash.living(item)]
    assert described(made)["pids"] == {}
    assert query(made, "select 1") == [(1,)]

    beat = "select max(latest_heartbeat) from job where job_type = 'SchedulerJob'"
    last = query(made, beat)
    made.service.restore_region(REGION)
    until(lambda: query(made, beat) > last, 60)


def test_deleted_environment_leaves_no_process(made: Mwaa) -> None:
    until(lambda: len(described(made)["pids"]) == 3, 60)
    before = processes(made)
    port = int(described(made)["database_url"].rsplit(":", 1)[1].split("/")[0])
    made.api.delete_environment(Name=NAME)
    until(lambda: made.service.describe() == [], 20)

    assert not [item for item in before if leash.living(item)]
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host="127.0.0.1", port=port, user="x", dbname="x", connect_timeout=2)
    with pytest.raises(made.api.exceptions.ResourceNotFoundException):
        made.get(NAME)


def test_region_lost_during_a_creation_only_delays_it(
    made: Mwaa, surroundings: dict[str, Any]
) -> None:
    """The name was deleted before, so this also makes an environment of that name again."""
    made.api.create_environment(Name=NAME, **surroundings)
    until(lambda: "scheduler" in described(made)["pids"], 120)
    made.service.lose_region(REGION)
    assert described(made)["pids"] == {}
    time.sleep(2)
    assert made.get(NAME)["Status"] == "CREATING"
    assert described(made)["pids"] == {}
    made.service.restore_region(REGION)

    document = made.wait(NAME, "AVAILABLE", "CREATE_FAILED", seconds=200)
    assert document["Status"] == "AVAILABLE", document["LastUpdate"]
    assert query(made, "select count(*) from variable") == [(0,)]
