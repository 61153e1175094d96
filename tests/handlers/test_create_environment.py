"""From a captured configuration to CreateEnvironment; MWAA is answered by botocore's Stubber."""

import json

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from contract import keys
from contract.created import CreatedEnvironment
from contract.sites import Site
from handlers.capture import capture
from handlers.core import environment
from handlers.core.captured import Captured
from handlers.core.errors import (
    EnvironmentExistsError,
    EnvironmentFailedError,
    EnvironmentOverdueError,
    NoConfigurationError,
    ObjectVersionMissingError,
)
from handlers.create_environment import create_environment
from handlers.environment_status import environment_status
from tests.handlers.installation import CONFIG, NAMES, START, Installation
from tests.handlers.test_incident_steps import FIRST, incident, opened

LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:x"
CAPTURED = {
    "Name": "etl-primary",
    "Status": "AVAILABLE",
    "Arn": "arn:aws:airflow:us-east-1:123456789012:environment/etl-primary",
    "CreatedAt": START,
    "WebserverUrl": "x.airflow.us-east-1.on.aws",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/etl-primary-execution",
    "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
    "KmsKey": "arn:aws:kms:us-east-1:123456789012:key/primary",
    "AirflowVersion": "2.10.3",
    "SourceBucketArn": "arn:aws:s3:::etl-primary-dags-123456789012",
    "DagS3Path": "dags",
    "PluginsS3Path": "plugins.zip",
    "PluginsS3ObjectVersion": "p1",
    "RequirementsS3Path": "requirements.txt",
    "RequirementsS3ObjectVersion": "r1",
    "StartupScriptS3Path": "startup.sh",
    "StartupScriptS3ObjectVersion": "s1",
    "AirflowConfigurationOptions": {
        "core.default_timezone": "utc",
        "core.dags_are_paused_at_creation": "False",
        "secrets.backend_kwargs": '{"region_name": "us-east-1"}',
        "mwaa_dr.site": "primary",
        "mwaa_dr.local_bucket": "etl-primary-backups-123456789012",
    },
    "EnvironmentClass": "mw1.small",
    "MaxWorkers": 7,
    "MinWorkers": 2,
    "Schedulers": 2,
    "MinWebservers": 2,
    "MaxWebservers": 3,
    "WebserverAccessMode": "PRIVATE_ONLY",
    "WeeklyMaintenanceWindowStart": "SUN:03:00",
    "EndpointManagement": "SERVICE",
    "NetworkConfiguration": {"SubnetIds": ["subnet-8", "subnet-9"], "SecurityGroupIds": ["sg-9"]},
    "LoggingConfiguration": {
        "TaskLogs": {"Enabled": True, "LogLevel": "INFO", "CloudWatchLogGroupArn": LOG_GROUP},
        "SchedulerLogs": {"Enabled": False},
        "WorkerLogs": {"Enabled": False, "LogLevel": "ERROR"},
    },
    "LastUpdate": {"Status": "SUCCESS", "CreatedAt": START},
    "CeleryExecutorQueue": "arn:aws:sqs:us-east-1:1:queue",
    "DatabaseVpcEndpointService": "db",
    "WebserverVpcEndpointService": "web",
    "Tags": {"owner": "data", "aws:cloudformation:stack-name": "x", "team": "old"},
}
PLACE = environment.Place(
    name="etl-dr",
    bucket_arn="arn:aws:s3:::etl-dr-dags-123456789012",
    execution_role_arn=CONFIG.target.execution_role_arn,
    kms_key_arn=CONFIG.target.kms_key_arn,
    subnet_ids=CONFIG.target.subnet_ids,
    security_group_ids=CONFIG.target.security_group_ids,
    options={"mwaa_dr.site": "dr"},
    tags={"team": "data"},
)
CODE = environment.Code({"plugins.zip": "p2", "requirements.txt": "r2"}, "mwaa-dr/s.sh", "v9")
MODEL = get_session().get_service_model("mwaa")
CREATE = MODEL.operation_model("CreateEnvironment").input_shape
GET = MODEL.operation_model("GetEnvironment").output_shape.members["Environment"]


def request(captured: dict | None = None, version: str = "2.10.3") -> environment.CreateRequest:
    return environment.create_request(
        CAPTURED if captured is None else captured,
        PLACE,
        CODE,
        airflow_version=version,
        primary_region="us-east-1",
    )


def test_every_field_of_the_api_has_a_decision() -> None:
    decided = {*environment.KEPT, *environment.REGIONAL, *environment.LEFT_OUT}
    assert decided == set(CREATE.members)
    assert set(environment.READ_ONLY) == set(GET.members) - set(CREATE.members)


def test_the_request_is_one_that_the_api_takes() -> None:
    assert not ParamValidator().validate(request().arguments, CREATE).has_errors()


def test_nothing_regional_is_carried_over() -> None:
    found = request().arguments
    options = found.pop("AirflowConfigurationOptions")
    assert "us-east-1" not in json.dumps(found)
    assert "primary" not in json.dumps(found)
    assert options["mwaa_dr.site"] == "dr"
    assert "mwaa_dr.local_bucket" not in options


def test_sizes_and_counts_are_kept() -> None:
    found = request().arguments
    for key in ("MinWebservers", "MaxWebservers", "MinWorkers", "MaxWorkers", "Schedulers"):
        assert found[key] == CAPTURED[key]
    assert found["EnvironmentClass"] == "mw1.small"
    assert found["WeeklyMaintenanceWindowStart"] == "SUN:03:00"


def test_dags_are_always_created_paused() -> None:
    options = request().arguments["AirflowConfigurationOptions"]
    assert options["core.dags_are_paused_at_creation"] == "True"
    assert options["core.default_timezone"] == "utc"


def test_a_log_type_without_a_level_is_dropped() -> None:
    assert request().arguments["LoggingConfiguration"] == {
        "TaskLogs": {"Enabled": True, "LogLevel": "INFO"},
        "WorkerLogs": {"Enabled": False, "LogLevel": "ERROR"},
    }


def test_reserved_tags_are_dropped_and_ours_win() -> None:
    assert request().arguments["Tags"] == {"owner": "data", "team": "data"}


def test_an_option_that_names_the_lost_region_is_reported() -> None:
    assert request().warnings == [
        "option secrets.backend_kwargs names us-east-1; override it for the DR Region"
    ]


def test_the_backup_decides_the_airflow_version() -> None:
    found = request(version="2.9.2")
    assert found.arguments["AirflowVersion"] == "2.9.2"
    assert any("which is created" in warning for warning in found.warnings)


def test_a_minimal_environment_maps_too() -> None:
    found = request({"AirflowVersion": "2.10.3", "DagS3Path": "dags", "PluginsS3Path": None})
    assert not ParamValidator().validate(found.arguments, CREATE).has_errors()
    assert "LoggingConfiguration" not in found.arguments


# The handlers


@pytest.fixture
def ready(installation: Installation) -> Installation:
    """An open incident, a backup, the code replicated, the configuration captured."""
    opened(installation)
    bucket = NAMES.dag_bucket(Site.DR)
    files = {
        "plugins.zip": ("PluginsS3ObjectVersion", b"zip"),
        "requirements.txt": ("RequirementsS3ObjectVersion", b"pandas"),
        "startup.sh": ("StartupScriptS3ObjectVersion", b"#!/bin/bash\necho mine\n"),
    }
    captured = dict(CAPTURED)
    for path, (field, body) in files.items():
        captured[field] = installation.put(path, body, bucket=bucket)
    kept = Captured("2026-11-22T11:00:00+00:00", json.loads(json.dumps(captured, default=str)))
    installation.put(keys.captured_environment(Site.PRIMARY), kept.to_json())
    return installation


def event(installation: Installation) -> dict:
    backup = {"key": installation.backup(60), "id": "b", "airflow_version": "2.10.3"}
    way = {"mode": "restore", "phase": "resume"}
    return {"incident_id": FIRST, "owner": "primary", "backup": backup, **way}


def absent(stub) -> None:
    stub.add_client_error("get_environment", "ResourceNotFoundException", http_status_code=404)


def present(stub, status: str, incident_id: str = FIRST, **more) -> None:
    tags = environment.our_tags("etl", incident_id)
    found = {"Name": "etl-dr", "Status": status, "Tags": tags, **more}
    stub.add_response("get_environment", {"Environment": found}, {"Name": "etl-dr"})


def test_the_environment_is_created_from_what_was_captured(ready: Installation) -> None:
    sent: dict = {}
    client = ready.runtime.clients.mwaa("us-west-2")
    client.meta.events.register(
        "provide-client-params.mwaa.CreateEnvironment", lambda params, **_: sent.update(params)
    )
    stub = ready.stub("mwaa", Site.DR, probe=False)
    absent(stub)
    stub.add_response("create_environment", {"Arn": "arn:aws:airflow:us-west-2:1:environment/x"})
    result = create_environment(event(ready), ready.runtime)
    assert not result["adopted"]
    assert sent["Name"] == "etl-dr"
    assert sent["Tags"]["mwaa-dr:incident"] == FIRST
    script = ready.text(sent["StartupScriptS3Path"], bucket=NAMES.dag_bucket(Site.DR))
    assert script.startswith("#!/bin/bash\n")
    assert script.endswith("\n#!/bin/bash\necho mine\n")
    version = ready.s3().head_object(
        Bucket=NAMES.dag_bucket(Site.DR), Key=sent["StartupScriptS3Path"]
    )["VersionId"]
    assert sent["StartupScriptS3ObjectVersion"] == version
    assert incident(ready)["timeline"]["environment-requested"]["detail"]["warnings"]
    kept = CreatedEnvironment.from_json(ready.text(keys.created_environment(Site.DR)))
    assert (kept.incident_id, kept.at, kept.gone_at) == (FIRST, START.isoformat(), "")
    assert kept.arguments == sent, "what a stack adopts is what was asked for"


def test_an_environment_of_an_earlier_attempt_is_used_again(ready: Installation) -> None:
    present(ready.stub("mwaa", Site.DR, probe=False), "AVAILABLE", "failover-e0001-07")
    made = create_environment(event(ready), ready.runtime)
    assert made["adopted"]
    assert (made["mode"], made["phase"]) == ("follow", "all"), "it may hold what changed since"


def test_an_attempt_that_is_repeated_restores_as_at_first(ready: Installation) -> None:
    present(ready.stub("mwaa", Site.DR, probe=False), "AVAILABLE", FIRST)
    made = create_environment(event(ready), ready.runtime)
    assert (made["adopted"], made["mode"], made["phase"]) == (True, "restore", "resume")


def test_an_environment_that_is_not_ours_is_left_alone(ready: Installation) -> None:
    stub = ready.stub("mwaa", Site.DR, probe=False)
    present(stub, "AVAILABLE", Tags={"owner": "someone"})
    with pytest.raises(EnvironmentExistsError, match="delete it if it is not needed"):
        create_environment(event(ready), ready.runtime)


def test_an_environment_of_another_airflow_is_left_alone(ready: Installation) -> None:
    stub = ready.stub("mwaa", Site.DR, probe=False)
    present(stub, "AVAILABLE", AirflowVersion="2.9.2")
    with pytest.raises(EnvironmentExistsError, match=r"Airflow 2\.9\.2.*of 2\.10\.3; delete it"):
        create_environment(event(ready), ready.runtime)


def test_a_lost_answer_to_create_is_found_out(ready: Installation) -> None:
    stub = ready.stub("mwaa", Site.DR, probe=False)
    absent(stub)
    stub.add_client_error("create_environment", "ValidationException", http_status_code=400)
    present(stub, "CREATING")
    assert not create_environment(event(ready), ready.runtime)["adopted"]


def test_a_file_with_another_version_id_is_found_by_its_content(ready: Installation) -> None:
    stub = ready.stub("mwaa", Site.DR, probe=False)
    captured = json.loads(ready.text(keys.captured_environment(Site.PRIMARY)))
    wanted = captured["environment"]["PluginsS3ObjectVersion"]
    ready.put("plugins.zip", b"new", bucket=NAMES.dag_bucket(Site.DR))
    captured["environment"]["PluginsS3ObjectVersion"] = "11111111-0000-0000-0000-000000000000"
    captured["files"] = [
        {
            "path": "plugins.zip",
            "version": "x",
            "size": 3,
            "sha256": "4c26e9e9bc4c1ee8e5e7e8a2e8d3e7ff3d9b7d1e",
        }
    ]
    ready.put(keys.captured_environment(Site.PRIMARY), json.dumps(captured))
    absent(stub)
    with pytest.raises(ObjectVersionMissingError, match=r"plugins\.zip lacks version 11111111"):
        create_environment(event(ready), ready.runtime)
    import hashlib  # noqa: PLC0415

    captured["files"][0]["sha256"] = hashlib.sha256(b"zip").hexdigest()
    ready.put(keys.captured_environment(Site.PRIMARY), json.dumps(captured))
    sent: dict = {}
    ready.runtime.clients.mwaa("us-west-2").meta.events.register(
        "provide-client-params.mwaa.CreateEnvironment", lambda params, **_: sent.update(params)
    )
    absent(stub)
    stub.add_response("create_environment", {})
    create_environment(event(ready), ready.runtime)
    assert sent["PluginsS3ObjectVersion"] == wanted


def test_without_a_captured_configuration_it_says_so(installation: Installation) -> None:
    opened(installation)
    absent(installation.stub("mwaa", Site.DR, probe=False))
    with pytest.raises(NoConfigurationError, match="etl-primary was never captured"):
        create_environment(event(installation), installation.runtime)


def status(installation: Installation, seconds: float = 0) -> dict:
    installation.clock.forward(seconds)
    requested = {"site": "dr", "requested_at": START.isoformat(), "within_seconds": 9000}
    return environment_status(requested, installation.runtime)


def test_a_new_environment_is_waited_for(installation: Installation) -> None:
    stub = installation.stub("mwaa", Site.DR, probe=False)
    present(stub, "CREATING")
    assert status(installation) == {"ready": False, "status": "CREATING", "wait_seconds": 4}
    present(stub, "CREATING")
    assert status(installation, 1500)["wait_seconds"] == 30
    present(stub, "AVAILABLE")
    assert status(installation)["ready"]


def test_a_failed_environment_says_why(installation: Installation) -> None:
    stub = installation.stub("mwaa", Site.DR, probe=False)
    error = {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": "subnet"}
    present(stub, "CREATE_FAILED", LastUpdate={"Error": error})
    with pytest.raises(EnvironmentFailedError, match="INCORRECT_CONFIGURATION: subnet"):
        status(installation)
    absent(stub)
    with pytest.raises(EnvironmentFailedError, match="does not exist"):
        status(installation)


def test_an_environment_that_takes_too_long_is_overdue(installation: Installation) -> None:
    present(installation.stub("mwaa", Site.DR, probe=False), "CREATING")
    with pytest.raises(EnvironmentOverdueError, match="still CREATING after 9001 s"):
        status(installation, 9001)


def captured_again(installation: Installation, **changes) -> dict:
    stub = installation.stub("mwaa", Site.PRIMARY, probe=True)
    found = {**CAPTURED, **changes}
    stub.add_response("get_environment", {"Environment": found}, {"Name": "etl-primary"})
    return capture({"owner": "primary"}, installation.runtime)


def test_a_configuration_is_captured_when_it_changes(installation: Installation) -> None:
    bucket = NAMES.dag_bucket(Site.PRIMARY)
    versions = {
        field: installation.put(CAPTURED[path], b"x", Site.PRIMARY, bucket)
        for path, field in environment.CODE_FILES.items()
    }
    assert captured_again(installation, **versions)["captured"]
    kept = Captured.from_json(installation.text(keys.captured_environment(Site.PRIMARY)))
    assert kept.environment["MaxWorkers"] == 7
    plugins = kept.file("plugins.zip")
    assert plugins is not None
    assert plugins.size == 1
    assert len(plugins.sha256) == 64
    assert not captured_again(installation, **versions)["captured"]
    assert not captured_again(installation, **versions, LastUpdate={"Status": "FAILED"})["captured"]
    assert captured_again(installation, **{**versions, "MaxWorkers": 9})["captured"]


def test_a_file_that_could_not_be_hashed_is_tried_again(installation: Installation) -> None:
    assert captured_again(installation)["captured"]
    assert captured_again(installation)["captured"]


def test_a_change_under_way_is_not_captured(installation: Installation) -> None:
    assert not captured_again(installation, Status="UPDATING")["captured"]
    assert installation.keys("config/") == []


def test_a_spoilt_capture_is_written_anew(installation: Installation) -> None:
    installation.put(keys.captured_environment(Site.PRIMARY), "{")
    assert captured_again(installation)["captured"]
    text = installation.text(keys.captured_environment(Site.PRIMARY))
    assert Captured.from_json(text).environment["Name"] == "etl-primary"
