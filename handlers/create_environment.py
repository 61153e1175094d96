"""Maps the captured configuration to the DR Region and creates the environment."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from contract import keys
from contract.created import CreatedEnvironment
from contract.manifest import Manifest, ObjectSet
from contract.sites import Site
from contract.state import Step
from handlers.adapters import timeline
from handlers.adapters.answers import AWS_ERRORS, is_missing
from handlers.adapters.objects import Bucket
from handlers.core import environment, startup
from handlers.core.captured import Captured, CodeFile, code_files
from handlers.core.errors import (
    EnvironmentExistsError,
    NoBackupError,
    NoConfigurationError,
    ObjectVersionMissingError,
)
from handlers.runtime import Event, Runtime, entry, required, site_in

logger = logging.getLogger(__name__)


def create_environment(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Create the DR environment for `incident_id` from what was captured of `owner`.

    An environment that another incident of ours made is used again. It may hold what has changed
    since, so that it is brought to the backup row by row, as a standby is.

    Args:
        event: `backup` is what choose-backup returned: its DAGs are held back in the new
            environment. `mode` and `phase` are those of the import into a new one.

    Returns:
        The environment's name, when it was asked for, and `mode` and `phase` of the import.

    Raises:
        NoConfigurationError: the configuration was never captured.
        ObjectVersionMissingError: a file that the environment needs is not in the DR DAG bucket.
        EnvironmentExistsError: an environment of that name exists and is not ours, or does not
            fit the backup.
    """
    incident_id, owner = required(event, "incident_id"), site_in(event, "owner")
    backup, way = required(event, "backup"), {key: event[key] for key in ("mode", "phase")}
    made = _existing(runtime, backup["airflow_version"])
    if made:
        if made != incident_id:
            way = {"mode": "follow", "phase": "all"}
        return _answer(runtime, incident_id, {"adopted": True, "warnings": [], **way})
    found = runtime.backups().read(keys.captured_environment(owner))
    if found is None:
        raise NoConfigurationError(
            f"the configuration of {runtime.config.place(owner).environment} was never captured; "
            "the monitor does so once the environment and its pulse are good"
        )
    captured = Captured.from_json(found.body)
    request = _request(runtime, incident_id, captured, backup)
    _keep(runtime, CreatedEnvironment(incident_id, runtime.at(), request.arguments))
    client = runtime.clients.mwaa(runtime.config.dr.region)
    try:
        client.create_environment(**request.arguments)
    except client.exceptions.ValidationException:
        # A retry after a lost answer is told that the name is taken.
        if not _existing(runtime, backup["airflow_version"]):
            raise
    for warning in request.warnings:
        logger.warning("%s", warning)
    detail = {"adopted": False, "warnings": request.warnings, "captured_at": captured.captured_at}
    return _answer(runtime, incident_id, {**detail, **way})


handler = entry(create_environment)


def _keep(runtime: Runtime, made: CreatedEnvironment) -> None:
    """Keep what is asked for, before it is: a stack can adopt the environment by it."""
    bucket, key = runtime.backups(), keys.created_environment(Site.DR)
    bucket.replace(key, made.to_json(), bucket.read(key))


def _answer(runtime: Runtime, incident_id: str, detail: dict[str, Any]) -> dict[str, Any]:
    at, name = runtime.at(), runtime.config.dr.environment
    body = {"environment": name, **detail}
    timeline.add(runtime.state, incident_id, Step.ENVIRONMENT_REQUESTED, at, detail=body)
    return {**body, "requested_at": at}


def _existing(runtime: Runtime, version: str) -> str:
    """The incident that made the environment that exists; empty if none exists.

    Raises:
        EnvironmentExistsError: it is not ours, or runs another Airflow than the backup.
    """
    place, name = runtime.config.dr, runtime.config.name
    try:
        found = runtime.clients.mwaa(place.region).get_environment(Name=place.environment)
    except AWS_ERRORS as error:
        if is_missing(error):
            return ""
        raise
    there = found["Environment"]
    tags = there.get("Tags", {})
    made = environment.made_by(tags, name=name)
    where = f"environment {place.environment} exists in {place.region}"
    if not made:
        raise EnvironmentExistsError(
            f"{where}, but no incident of {name} created it (tags "
            f"{json.dumps(tags, sort_keys=True)}); delete it if it is not needed"
        )
    if there.get("AirflowVersion", version) != version:
        raise EnvironmentExistsError(
            f"{where} with Airflow {there.get('AirflowVersion')}, but the backup is of {version}; "
            "delete it, and a fitting one is created"
        )
    return made


def _request(
    runtime: Runtime, incident_id: str, captured: Captured, backup: Mapping[str, Any]
) -> environment.CreateRequest:
    config = runtime.config
    bucket = runtime.code(Site.DR)
    versions = {
        path: _version_in(bucket, path, version, captured.file(path))
        for path, version in code_files(captured.environment).items()
    }
    users_script = b""
    path = captured.environment.get("StartupScriptS3Path")
    if path:
        script = bucket.read(path, version=versions[path])
        users_script = script.body if script else b""
    body = startup.compose(_dag_ids(runtime.backups(), backup["key"]), users_script)
    startup_path = keys.startup_script(incident_id)
    startup_version = bucket.put_code(startup_path, body)
    return environment.create_request(
        captured.environment,
        environment.Place(
            name=config.dr.environment,
            bucket_arn=config.names.bucket_arn(config.dr.dag_bucket),
            execution_role_arn=config.target.execution_role_arn,
            kms_key_arn=config.target.kms_key_arn,
            subnet_ids=config.target.subnet_ids,
            security_group_ids=config.target.security_group_ids,
            options=config.target.options,
            tags={**config.target.tags, **environment.our_tags(config.name, incident_id)},
        ),
        environment.Code(versions, startup_path, startup_version),
        airflow_version=backup["airflow_version"],
        primary_region=config.primary.region,
    )


def _version_in(bucket: Bucket, path: str, version: str, file: CodeFile | None) -> str:
    """The id, in the DR DAG bucket, of the version of `path` that was captured.

    Replication keeps version ids. An object that was copied in another way has another id, and is
    known by its content.
    """
    if version and bucket.version_exists(path, version):
        return version
    for candidate, size in bucket.versions(path):
        if file is None or not file.sha256:
            break
        if size == file.size and bucket.sha256(path, version=candidate)[0] == file.sha256:
            return candidate
    raise ObjectVersionMissingError(
        f"s3://{bucket.name}/{path} lacks version {version or '(newest)'}, and no version there "
        f"has the captured content (sha256 {file.sha256 if file and file.sha256 else 'unknown'}); "
        "copy the file from the primary DAG bucket, by S3 Batch Replication if it is older than "
        "the replication rule"
    )


def _dag_ids(bucket: Bucket, manifest_key: str) -> list[str]:
    """Every DAG that the backup knows."""
    manifest = bucket.read(manifest_key)
    if manifest is None:
        raise NoBackupError(f"s3://{bucket.name}/{manifest_key} is gone")
    documents = Manifest.from_json(manifest.body).objects
    name = next(item.key for item in documents if item.set is ObjectSet.ORACLE)
    prefix = manifest_key.removesuffix(keys.MANIFEST)
    oracle = bucket.read(f"{prefix}{name}")
    if oracle is None:
        raise NoBackupError(f"s3://{bucket.name}/{prefix}{name} is gone")
    return [item["dag_id"] for item in json.loads(oracle.body)]
