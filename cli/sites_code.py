"""What lies in the DAG buckets of both sites, and whether it is the same."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import boto3

from cli.place import BOUNDED, Place
from contract.keys import STARTUP_SCRIPTS
from contract.sites import Site

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT_ONCE = 8


@dataclass
class SiteCode:
    """The current files of one site's DAG bucket."""

    place: Place
    site: Site

    @property
    def bucket(self) -> str:
        return self.place.dag_bucket(self.site)

    @cached_property
    def s3(self) -> "S3Client":
        return boto3.client("s3", region_name=self.place.region_of(self.site), config=BOUNDED)

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Size by key, as the bucket is now."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {
            one["Key"]: one["Size"]
            for page in pages
            for one in page.get("Contents", [])
            # Of recoveries: there are none at the other site.
            if not one["Key"].startswith(STARTUP_SCRIPTS)
        }

    def version(self, key: str) -> tuple[str, str]:
        """The current version id, and the SHA-256 that S3 keeps, if it does."""
        found = self.s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        whole = found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
        return found.get("VersionId", ""), found.get("ChecksumSHA256", "") if whole else ""

    def sha256(self, key: str) -> str:
        """Of what is in the file; an ETag says nothing under a key, which differs by site."""
        kept = self.version(key)[1]
        if kept:
            return kept
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        return sha256(iter(lambda: body.read(1 << 20), b""))


def sha256(parts: Iterator[bytes]) -> str:
    """As S3 writes it."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return base64.b64encode(found.digest()).decode()


class Kind(StrEnum):
    ONLY_HERE = "only here"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Difference:
    """One file that is not the same at both sites; `site` is where `ONLY_HERE` is."""

    kind: Kind
    key: str
    site: Site | None = None


def differences(primary: SiteCode, dr: SiteCode) -> list[Difference]:
    """Every file that is not the same at both sites, by key."""
    here, there = primary.sizes(), dr.sizes()
    found = [
        Difference(Kind.ONLY_HERE, key, site)
        for site, mine, other in ((Site.PRIMARY, here, there), (Site.DR, there, here))
        for key in mine.keys() - other.keys()
    ]
    shared = sorted(here.keys() & there.keys())
    alike = [key for key in shared if here[key] == there[key]]
    found += [Difference(Kind.DIFFERENT, key) for key in shared if here[key] != there[key]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        same = pool.map(lambda key: _same(primary, dr, key), alike)
        found += [
            Difference(Kind.DIFFERENT, key)
            for key, is_same in zip(alike, same, strict=True)
            if not is_same
        ]
    return sorted(found, key=lambda one: (one.key, one.kind))


def _same(primary: SiteCode, dr: SiteCode, key: str) -> bool:
    (one, kept), (other, also_kept) = primary.version(key), dr.version(key)
    # A replica has the version id of its source; a bucket without versioning has none.
    if one == other and one not in ("", "null"):
        return True
    if kept and also_kept:
        return kept == also_kept
    return primary.sha256(key) == dr.sha256(key)
