"""Which versions of DAGs, plugins and requirements an environment runs."""

import boto3

from contract.keys import STARTUP_SCRIPTS
from mwaa_dr_site.mailbox import BOUNDED


def object_versions(bucket: str, region: str) -> list[dict[str, str]]:
    """Key, version id and etag of the current version of every object of the DAG bucket."""
    pages = (
        boto3.client("s3", region_name=region, config=BOUNDED)
        .get_paginator("list_object_versions")
        .paginate(Bucket=bucket)
    )
    return sorted(
        (
            {"key": item["Key"], "version_id": item["VersionId"], "etag": item["ETag"]}
            for page in pages
            for item in page.get("Versions", [])
            if item["IsLatest"] and not item["Key"].startswith(STARTUP_SCRIPTS)
        ),
        key=lambda version: version["key"],
    )
