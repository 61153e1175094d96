"""The provider's own configuration."""

import json
import os
from collections.abc import Iterator

from local.pulumi.provider.check import Failure, Settings
from local.pulumi.provider.wire import UNKNOWN, Value, Values

USED = ("defaultTags", "region")
WITHOUT_EFFECT = (
    "s3UsePathStyle",
    "skipCredentialsValidation",
    "skipMetadataApiCheck",
    "skipRegionValidation",
    "skipRequestingAccountId",
    "version",
)
"""Settings that change nothing on the local AWS; the others would, and are refused."""


def failures(inputs: Values) -> Iterator[Failure]:
    for name in inputs:
        if name not in (*USED, *WITHOUT_EFFECT):
            yield Failure(
                name,
                f"the local `aws` provider does not have the setting {name!r}; it has "
                f"{', '.join(USED)}. Credentials and the endpoint come from the environment",
            )


def _value(given: Value) -> Value:
    """Settings that are not text arrive as JSON."""
    return json.loads(given) if isinstance(given, str) and given[:1] in "{[" else given


def settings(inputs: Values) -> Settings:
    """Read the configuration; a Region that is not known in a preview is empty."""
    region = inputs.get("region")
    if region is UNKNOWN or not region:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    tags = _value(inputs.get("defaultTags") or {})
    return Settings(str(region), dict(tags.get("tags", {})) if isinstance(tags, dict) else {})
