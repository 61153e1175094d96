"""Where backups are kept: S3, or a folder of this machine. Nothing is ever overwritten."""

import base64
import contextlib
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mwaa_dr_metadata.session import Writer

PART = 8 << 20
"""Bytes per part: memory per open object; 10,000 parts of it are 80 GB."""
BOUNDED = Config(
    connect_timeout=5,
    read_timeout=60,
    tcp_keepalive=True,
    retries={"mode": "standard", "total_max_attempts": 5},
)
DELETED_AT_ONCE = 1000
"""What one DeleteObjects takes."""
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})


class Storage(Protocol):
    """Objects by key, relative to the root that the storage was made with."""

    def create(self, key: str) -> AbstractContextManager[Writer]:
        """Write a new object in constant memory; nothing is left of it when the body fails.

        Raises:
            FileExistsError: there is one already.
        """
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write a small new object. Raises FileExistsError if there is one already."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """An object's bytes, in chunks. Raises FileNotFoundError."""
        ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        """(key, bytes) of the objects whose keys start with `prefix`, in order.

        Args:
            after: leave out keys up to this one: a bucket is not read from its beginning.
        """
        ...


class ErasableStorage(Storage, Protocol):
    """A storage from which backups can be removed; exports and imports need none."""

    def delete(self, names: Sequence[str], /) -> None:
        """Delete objects by key; those that do not exist are no error."""
        ...


def get(storage: Storage, key: str) -> bytes:
    """A small object whole. Raises FileNotFoundError."""
    return b"".join(storage.read(key))


def storage_from_uri(uri: str, region_name: str = "") -> Storage:
    """`s3://bucket/prefix` in `region_name`, or `file:///folder`.

    Raises:
        ValueError: it is neither, or an S3 URI without a Region.
    """
    parsed = urlparse(uri)
    if parsed.scheme == "s3" and parsed.netloc:
        if not region_name:
            raise ValueError(f"storage: {uri!r} needs the Region of its bucket")
        return S3Storage(parsed.netloc, region_name, parsed.path.lstrip("/"))
    if parsed.scheme == "file" and parsed.path and not parsed.netloc:
        return FileStorage(Path(unquote(parsed.path)))
    raise ValueError(f"storage: {uri!r} is not allowed; use s3://bucket/prefix or file:///folder")


class FileStorage:
    """A folder. An object appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"key {key!r} leaves the storage")
        return path

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # A hard link, unlike a rename, fails if the name is taken.
            os.link(file.name, path)

    def put(self, key: str, data: bytes) -> None:
        with self.create(key) as file:
            file.write(data)

    def read(self, key: str) -> Iterator[bytes]:
        file = self._path(key).open("rb")
        return self._chunks(file)

    @staticmethod
    def _chunks(file: Any) -> Iterator[bytes]:  # noqa: ANN401 - any open binary file
        with file:
            while data := file.read(PART):
                yield data

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        found = (
            (path.relative_to(self._root).as_posix(), path.stat().st_size)
            for path in self._root.rglob("*")
            if path.is_file() and not path.name.startswith(".partial-")
        )
        wanted = (item for item in found if item[0].startswith(prefix) and item[0] > after)
        return iter(sorted(wanted))

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            path = self._path(name)
            path.unlink(missing_ok=True)
            for folder in itertools.takewhile(lambda one: one != self._root, path.parents):
                with contextlib.suppress(OSError):  # it still holds something
                    folder.rmdir()


class S3Storage:
    """A bucket, or a prefix of one. The bucket's own default encryption applies.

    Args:
        region_name: the bucket's Region; never guessed.
    """

    def __init__(self, bucket: str, region_name: str, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._client: Any = boto3.client("s3", region_name=region_name, config=BOUNDED)

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _only_new(self, operation: str) -> dict[str, str]:
        """`If-None-Match`, which the boto3 of older environments does not know yet."""
        shape = self._client.meta.service_model.operation_model(operation).input_shape
        return {"IfNoneMatch": "*"} if "IfNoneMatch" in shape.members else {}

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        upload = _S3Upload(self, key)
        try:
            yield upload
            upload.finish()
        except BaseException:
            upload.abort()
            raise

    def put(self, key: str, data: bytes) -> None:
        try:
            with _taken(key):
                self._client.put_object(
                    **self._place(key),
                    **self._only_new("PutObject"),
                    Body=data,
                    ChecksumSHA256=_checksum(data),
                )
        except FileExistsError:
            # A put whose answer was lost is repeated by the client and meets itself.
            if get(self, key) != data:
                raise

    def read(self, key: str) -> Iterator[bytes]:
        """In ranges, so that a broken connection repeats a range, not the object."""
        try:
            first = self._range(key, 0)
        except ClientError as error:
            if code_of(error) == "InvalidRange":
                return iter(())  # an empty object has no first byte
            raise
        return self._ranges(key, first)

    def _range(self, key: str, start: int, **conditions: str) -> dict[str, Any]:
        span = f"bytes={start}-{start + PART - 1}"
        with _missing(key):
            return self._client.get_object(**self._place(key), Range=span, **conditions)

    def _ranges(self, key: str, first: dict[str, Any]) -> Iterator[bytes]:
        yield first["Body"].read()
        size = int(first["ContentRange"].rpartition("/")[2])
        for start in range(PART, size, PART):
            yield self._range(key, start, IfMatch=first["ETag"])["Body"].read()

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=self._prefix + prefix,
            **({"StartAfter": self._prefix + after} if after else {}),
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(self._prefix), item["Size"]

    def delete(self, names: Sequence[str]) -> None:
        """In a bucket with versions this hides them, until a lifecycle rule ends what is hidden.

        Raises:
            PermissionError: S3 refused to delete some of them.
        """
        for start in range(0, len(names), DELETED_AT_ONCE):
            some = [{"Key": self._prefix + name} for name in names[start : start + DELETED_AT_ONCE]]
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
            )
            for error in answer.get("Errors", []):
                raise PermissionError(f"{error['Key']} was not deleted: {error['Message']}")


class _S3Upload:
    """One object on its way: a single put while it fits into one part, else a multipart upload."""

    def __init__(self, storage: S3Storage, key: str) -> None:
        self._storage = storage
        self._client = storage._client
        self._place = storage._place(key)
        self._key = key
        self._buffer = bytearray()
        self._upload: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) >= PART:
            self._send(bytes(self._buffer[:PART]))
            del self._buffer[:PART]
        return len(data)

    def _send(self, data: bytes) -> None:
        if not self._upload:
            answer = self._client.create_multipart_upload(**self._place, ChecksumAlgorithm="SHA256")
            self._upload = {**self._place, "UploadId": answer["UploadId"]}
        number, checksum = len(self._parts) + 1, _checksum(data)
        answer = self._client.upload_part(
            **self._upload, PartNumber=number, Body=data, ChecksumSHA256=checksum
        )
        self._parts.append(
            {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}
        )

    def finish(self) -> None:
        if not self._upload:
            self._storage.put(self._key, bytes(self._buffer))
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        with _taken(self._key):
            self._client.complete_multipart_upload(
                **self._upload,
                **self._storage._only_new("CompleteMultipartUpload"),
                MultipartUpload={"Parts": self._parts},
            )

    def abort(self) -> None:
        if self._upload:
            with contextlib.suppress(Exception):  # the first error is the one that matters
                self._client.abort_multipart_upload(**self._upload)


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) in MISSING:
            raise FileNotFoundError(f"there is no object {key}") from error
        raise


@contextmanager
def _taken(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) in TAKEN:
            raise FileExistsError(f"the object {key} exists and is never overwritten") from error
        raise
