"""Small objects in S3, with compare-and-set."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from handlers.adapters.answers import code_of, is_missing
from handlers.core.errors import StateConflictError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK = 1 << 20
_CONFLICTS = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


@dataclass(frozen=True, slots=True)
class Found:
    """An object's bytes and the tag of this content.

    Args:
        age: for how long S3 has had it, by S3's own clock; None where it did not say the time.
    """

    body: bytes
    etag: str
    age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket, seen through a client of its Region."""

    client: "S3Client"
    name: str

    def read(self, key: str, *, version: str = "") -> Found | None:
        """The object, or None if there is none."""
        try:
            answer = self.client.get_object(Bucket=self.name, Key=key, **_version(version))
        except self.client.exceptions.ClientError as error:
            if is_missing(error):
                return None
            raise
        return Found(answer["Body"].read(), answer["ETag"], _age(answer))

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return [item.get("Key", "") for page in pages for item in page.get("Contents", [])]

    def create(self, key: str, text: str) -> bool:
        """Write an object unless one is there; return whether it was written."""
        try:
            self._put(key, text, {"IfNoneMatch": "*"})
        except StateConflictError:
            return False
        return True

    def replace(self, key: str, text: str, seen: Found | None) -> None:
        """Write an object if it still is what was seen.

        Raises:
            StateConflictError: someone else wrote it meanwhile.
        """
        self._put(key, text, {"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"})

    def put_code(self, key: str, body: bytes) -> str:
        """Write a file of the DAG bucket; return its version id."""
        answer = self.client.put_object(Bucket=self.name, Key=key, Body=body)
        return answer.get("VersionId", "")

    def remove(self, key: str) -> None:
        """Let nobody see an object any more, if there is one; its versions stay."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def version_exists(self, key: str, version: str) -> bool:
        try:
            self.client.head_object(Bucket=self.name, Key=key, **_version(version))
        except self.client.exceptions.ClientError as error:
            # S3 answers 400 for an id that no version of any object could have.
            if is_missing(error) or code_of(error) == "400":
                return False
            raise
        return True

    def versions(self, key: str) -> Iterator[tuple[str, int]]:
        """Id and size of each version of an object, newest first."""
        pages = self.client.get_paginator("list_object_versions").paginate(
            Bucket=self.name, Prefix=key
        )
        for page in pages:
            for version in page.get("Versions", []):
                if version.get("Key") == key:
                    yield version.get("VersionId", ""), version.get("Size", 0)

    def sha256(self, key: str, *, version: str = "") -> tuple[str, int]:
        """Hex digest and size of an object, read in constant memory."""
        answer = self.client.get_object(Bucket=self.name, Key=key, **_version(version))
        digest, size = hashlib.sha256(), 0
        for chunk in answer["Body"].iter_chunks(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    def _put(self, key: str, text: str, condition: dict[str, Any]) -> None:
        try:
            self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=text.encode(),
                ContentType="application/json",
                **condition,
            )
        except self.client.exceptions.ClientError as error:
            if code_of(error) in _CONFLICTS:
                raise StateConflictError(f"s3://{self.name}/{key} was changed") from error
            raise


def _age(answer: Any) -> timedelta | None:  # noqa: ANN401 - boto3's answer
    date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) - answer["LastModified"] if date else None


def _version(version: str) -> Any:  # noqa: ANN401
    return {"VersionId": version} if version else {}
