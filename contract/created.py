"""The environment that a recovery created, which belongs to no stack until one adopts it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class CreatedEnvironment:
    """What was asked of CreateEnvironment, secret options included: it lies under the bucket's key.

    Args:
        incident_id: whose recovery asked.
        at: when; ISO 8601, UTC.
        arguments: the whole request.
        gone_at: when it was known to be removed again; ISO 8601, UTC, empty while it may exist.
    """

    incident_id: str
    at: str
    arguments: dict[str, Any]
    gone_at: str = ""

    @property
    def name(self) -> str:
        return str(self.arguments["Name"])

    def to_json(self) -> str:
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "CreatedEnvironment":
        """Raises ValueError on anything that is not a whole record of this version."""
        try:
            raw = json.loads(text)
            version = raw.pop("format_version")
            found = cls(**raw)
            _ = found.name
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record of a created environment: {error!r}") from error
        if version != FORMAT_VERSION:
            raise ValueError(
                f"a record of a created environment of format {version!r}; this version reads "
                f"{FORMAT_VERSION}"
            )
        return found
