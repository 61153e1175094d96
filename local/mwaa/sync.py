"""Keeps a folder equal to what lies below an S3 prefix."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

log = logging.getLogger(__name__)


def relative_path(key: str, prefix: str) -> str | None:
    """Where an object goes in the folder; None for a folder's marker or a path out of it."""
    rest = key.removeprefix(prefix)
    parts = PurePosixPath(rest).parts
    if not rest or rest.endswith("/") or ".." in parts or rest.startswith("/"):
        return None
    return str(PurePosixPath(rest))


@dataclass(slots=True)
class Folder:
    """One synced folder; it remembers what it fetched, so that only changes are fetched again.

    Args:
        s3: a client for the bucket's Region.
        prefix: ends with `/`, or is empty.
    """

    s3: Any
    bucket: str
    prefix: str
    target: Path
    _have: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What an earlier run left is fetched again, and deleted if it is gone from the bucket."""
        self.target.mkdir(parents=True, exist_ok=True)
        for root, _, names in os.walk(self.target):
            for name in names:
                self._have[str((Path(root) / name).relative_to(self.target))] = ""

    def remote(self) -> dict[str, tuple[str, str]]:
        """Key and entity tag of each object, by its path in the folder."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        found: dict[str, tuple[str, str]] = {}
        for item in (item for page in pages for item in page.get("Contents", [])):
            path = relative_path(item["Key"], self.prefix)
            if path is not None:
                found[path] = (item["Key"], item["ETag"])
        return found

    def pull(self) -> int:
        """Make the folder what the bucket is now; how many files changed.

        A file appears whole or not at all. Raises what boto3 raises; what was fetched before stays.
        """
        remote = self.remote()
        stale = plan({path: tag for path, (_, tag) in remote.items()}, self._have)
        for path in stale.fetch:
            key, tag = remote[path]
            self._write(path, self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            self._have[path] = tag
        for path in stale.delete:
            self._remove(path)
            del self._have[path]
        return len(stale.fetch) + len(stale.delete)

    def _write(self, path: str, body: bytes) -> None:
        file = self.target / path
        if file.parent.is_file():
            file.parent.unlink()
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(body)
        part.replace(file)

    def _remove(self, path: str) -> None:
        file = self.target / path
        file.unlink(missing_ok=True)
        for folder in file.parents:
            if folder == self.target or any(folder.iterdir()):
                return
            folder.rmdir()


@dataclass(frozen=True, slots=True)
class Plan:
    fetch: list[str]
    delete: list[str]


def plan(remote: Mapping[str, str], have: Mapping[str, str]) -> Plan:
    """What to fetch and what to delete, by entity tag."""
    return Plan(
        fetch=[path for path, tag in remote.items() if have.get(path) != tag],
        delete=[path for path in have if path not in remote],
    )
