"""The captured configuration of an environment, as it lies in the DR bucket."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from handlers.core.environment import CODE_FILES, stable
from handlers.core.errors import NoConfigurationError

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file of the DAG bucket that the environment uses, as it was when captured.

    Args:
        version: S3 version id; "" if the environment takes the newest.
        sha256: hex digest; "" if the file could not be read.
    """

    path: str
    version: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Captured:
    """GetEnvironment of the owner, secret options included: it is kept under the bucket's key."""

    captured_at: str
    environment: dict[str, Any]
    files: tuple[CodeFile, ...] = ()

    def to_json(self) -> str:
        body = {
            "format_version": FORMAT_VERSION,
            "captured_at": self.captured_at,
            "environment": self.environment,
            "files": [asdict(item) for item in self.files],
        }
        return json.dumps(body, sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Captured":
        """Raises NoConfigurationError on anything that is not a whole capture."""
        try:
            raw = json.loads(text)
            format_version = raw["format_version"]
            captured = cls(
                captured_at=raw["captured_at"],
                environment=raw["environment"],
                files=tuple(CodeFile(**item) for item in raw["files"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NoConfigurationError(f"the captured configuration is spoilt: {error}") from error
        if format_version != FORMAT_VERSION:
            raise NoConfigurationError(
                f"the captured configuration has format {format_version!r}; "
                f"this version reads {FORMAT_VERSION}"
            )
        return captured

    def file(self, path: str) -> CodeFile | None:
        return next((item for item in self.files if item.path == path), None)

    def says_as_much_as(self, environment: Mapping[str, Any]) -> bool:
        """Whether capturing `environment` again would add nothing."""
        same = stable(self.environment) == stable(as_json(environment))
        return same and all(item.sha256 for item in self.files)


def as_json(environment: Mapping[str, Any]) -> dict[str, Any]:
    """An environment as it reads back from JSON, where times are text."""
    return json.loads(json.dumps(environment, default=str))


def code_files(environment: Mapping[str, Any]) -> dict[str, str]:
    """Version id by path of each file that an environment names ("" for the newest)."""
    return {
        environment[path]: environment.get(version) or ""
        for path, version in CODE_FILES.items()
        if environment.get(path)
    }
