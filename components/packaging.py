"""The archive of the Lambda functions: our code, and the AWS SDK that it was tested with.

Lambda's own SDK changes when AWS likes; a recovery must not be the first to try a new one. All of
it is Python without compiled parts, so that the same files do on every platform. They come from the
installed packages, whose versions must be those that `requirements.lock` pins: `pip` checked their
hashes when it installed them, and a preview needs no network.
"""

import importlib.metadata
import io
import os
import re
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from components.files import PROJECT, CodeError, archive_files

ARCHIVE = PROJECT / "build" / "lambda" / "functions.zip"
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
"""boto3 and all that it needs."""
SERVICES = frozenset(
    {"cloudwatch", "dynamodb", "events", "lambda", "mwaa", "s3", "sns", "stepfunctions", "sts"}
)
"""Services that the functions call: botocore knows 400 more, which fill 20 MB."""
LIMIT_ZIPPED = 50 * 2**20
LIMIT_UNZIPPED = 250 * 2**20
"""Lambda developer guide, "Lambda quotas": a deployment package that is uploaded directly."""

_LEFT_OUT = re.compile(
    r"\.\.|.*\.dist-info/|.*__pycache__/|.*\.pyi$|boto3/(data|examples)/|.*/examples-1\.json$|dateutil/zoneinfo/.*\.gz$"
)
_OF_SERVICE = re.compile(r"botocore/data/([^/]+)/")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
"""Lambda runs the code as another user than the one who wrote it (permissions, not the umask's)."""


def sdk_files(lock: Path = PROJECT / "requirements.lock") -> dict[str, Path]:
    """The SDK's files by their names in the archive.

    Raises:
        CodeError: a package is not installed, or not in the version that is pinned.
    """
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE))
    found: dict[str, Path] = {}
    for name in SDK:
        package = _installed(name)
        if package.version != pinned.get(name):
            raise CodeError(
                f"{name} {package.version} is installed, but requirements.lock pins "
                f"{pinned.get(name, 'none')}; run `make setup`"
            )
        for file in package.files or ():
            if _wanted(file.as_posix()):
                found[file.as_posix()] = Path(str(file.locate()))
    return found


def _installed(name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise CodeError(f"{name} is not installed; run `make setup`") from None


def _wanted(name: str) -> bool:
    service = _OF_SERVICE.match(name)
    return _LEFT_OUT.match(name) is None and (service is None or service[1] in SERVICES)


def packed(files: Mapping[str, Path]) -> bytes:
    """A zip that depends on the files' names and contents alone.

    Raises:
        CodeError: it is larger than Lambda takes.
    """
    target, unzipped = io.BytesIO(), 0
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, _READABLE  # as on Unix, anywhere
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = files[name].read_bytes()
            unzipped += len(data)
            archive.writestr(entry, data)
    for size, limit, what in (
        (len(target.getvalue()), LIMIT_ZIPPED, "zipped"),
        (unzipped, LIMIT_UNZIPPED, "unzipped"),
    ):
        if size > limit:
            raise CodeError(
                f"the functions' archive is {size / 2**20:.1f} MiB {what}; Lambda takes "
                f"{limit / 2**20:.0f} MiB: leave something out in components/packaging.py"
            )
    return target.getvalue()


@cache
def functions_archive() -> Path:
    """Where the archive lies; it is written only where its contents changed."""
    data = packed({**sdk_files(), **archive_files()})
    if not ARCHIVE.exists() or ARCHIVE.read_bytes() != data:
        ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
        scratch = ARCHIVE.with_name(f"{ARCHIVE.name}.{os.getpid()}")  # two may build at once
        scratch.write_bytes(data)
        scratch.replace(ARCHIVE)
    return ARCHIVE
