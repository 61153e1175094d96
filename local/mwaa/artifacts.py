"""Plugins, requirements and startup script: fetched from the bucket in their exact versions."""

import io
import shutil
import zipfile
from collections.abc import Mapping
from typing import Any

from local.mwaa.folders import Folders


def _fetch(s3: Any, document: Mapping[str, Any], kind: str) -> bytes | None:  # noqa: ANN401
    path = document.get(f"{kind}S3Path")
    if not path:
        return None
    version = document.get(f"{kind}S3ObjectVersion")
    exact = {"VersionId": version} if version else {}
    bucket = document["SourceBucketArn"].rpartition(":")[2]
    return s3.get_object(Bucket=bucket, Key=path, **exact)["Body"].read()


def fetch(s3: Any, document: Mapping[str, Any], folders: Folders) -> None:  # noqa: ANN401
    """Put the environment's artifacts in place. Requirements are kept but not installed.

    Raises:
        botocore.exceptions.ClientError: an object is not there.
        zipfile.BadZipFile: the plugins are not a zip archive.
    """
    for kind, target in (
        ("Requirements", folders.requirements),
        ("StartupScript", folders.startup_script),
    ):
        body = _fetch(s3, document, kind)
        if body is None:
            target.unlink(missing_ok=True)
        else:
            target.write_bytes(body)
    plugins = _fetch(s3, document, "Plugins")
    shutil.rmtree(folders.plugins, ignore_errors=True)
    folders.plugins.mkdir()
    if plugins is not None:
        with zipfile.ZipFile(io.BytesIO(plugins)) as archive:
            archive.extractall(folders.plugins)
