"""Keeps the owner's environment configuration in the DR Region when it changed."""

import logging
from collections.abc import Mapping
from typing import Any

from contract import keys
from handlers.adapters.answers import AWS_ERRORS
from handlers.adapters.objects import Bucket
from handlers.core.captured import Captured, CodeFile, as_json, code_files
from handlers.core.environment import PROGRESS, Progress
from handlers.core.errors import NoConfigurationError
from handlers.runtime import Event, Runtime, entry, site_in

logger = logging.getLogger(__name__)


def capture(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Keep what GetEnvironment says of the `owner`'s environment, with hashes of its files.

    The hashes let recovery find a file in the DR Region whose version id there is another one.
    """
    owner = site_in(event, "owner")
    place = runtime.config.place(owner)
    client = runtime.clients.mwaa(place.region, probe=True)
    environment: Mapping[str, Any] = client.get_environment(Name=place.environment)["Environment"]
    if PROGRESS.get(str(environment.get("Status"))) is not Progress.READY:
        return {"captured": False, "reason": f"the environment is {environment.get('Status')}"}
    bucket, key = runtime.backups(), keys.captured_environment(owner)
    found = bucket.read(key)
    if found is not None and _is_current(found.body, environment):
        return {"captured": False, "reason": "it did not change"}
    kept = Captured(
        captured_at=runtime.at(),
        environment=as_json(environment),
        files=tuple(_files(runtime.code(owner), environment)),
    )
    bucket.replace(key, kept.to_json(), found)
    logger.info("captured the configuration of %s", place.environment)
    return {"captured": True, "reason": "it changed" if found else "it is the first"}


handler = entry(capture)


def _is_current(body: bytes, environment: Mapping[str, Any]) -> bool:
    try:
        return Captured.from_json(body).says_as_much_as(environment)
    except NoConfigurationError:
        logger.warning("the kept configuration is not readable and is written anew")
        return False


def _files(bucket: Bucket, environment: Mapping[str, Any]) -> list[CodeFile]:
    return [_file(bucket, path, version) for path, version in code_files(environment).items()]


def _file(bucket: Bucket, path: str, version: str) -> CodeFile:
    """A file with its hash; without one where it cannot be read, which the next capture retries."""
    try:
        digest, size = bucket.sha256(path, version=version)
    except AWS_ERRORS as error:
        logger.warning("%s could not be hashed: %s", path, error)
        return CodeFile(path, version, 0, "")
    return CodeFile(path, version, size, digest)
