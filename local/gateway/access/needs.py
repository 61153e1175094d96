"""Which permissions a call needs: what the table of rows says, filled in, and what it cannot say.

An operation without any row is judged by its action's name alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.gateway.access.rows import PREFIXES, ROWS, Row


class Facts(Protocol):
    """What has to be known of deployed resources."""

    def bucket(self, name: str) -> bool:
        """Whether the bucket exists."""
        ...

    def bucket_key(self, name: str) -> str:
        """ARN of the key that encrypts new objects; empty if none does."""
        ...

    def has_object(self, bucket: str, key: str, version: str | None) -> bool: ...

    def object_key(self, bucket: str, key: str, version: str | None) -> str: ...

    def table_key(self, region: str, table: str) -> str: ...

    def topic_key(self, arn: str) -> str: ...

    def key(self, region: str, key: str | bytes) -> str:
        """ARN of the key behind an id, an ARN, an alias or a ciphertext; empty if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the API's model names its parts.

    Args:
        service: signing name.
        params: parameters by their names in the model.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    region: str
    account: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Need:
    """One action that must be allowed.

    Args:
        resources: on one of these; none where only the action's name is judged.
        context: values of condition keys beside those that every request has.
    """

    action: str
    resources: tuple[str, ...]
    context: Mapping[str, str] = field(default_factory=dict)


def _source(call: Call) -> tuple[str, str, str | None]:
    """(bucket, key, version) of what is copied."""
    path, _, version = str(call.params.get("CopySource", "")).lstrip("/").partition("?versionId=")
    bucket, _, key = path.partition("/")
    return bucket, key, version or None


def _object(call: Call) -> tuple[str, str, str | None]:
    return call.params["Bucket"], call.params["Key"], call.params.get("VersionId")


def _table(call: Call) -> str:
    name = call.params["TableName"]
    base = name if name.startswith("arn:") else call.arn("dynamodb", f"table/{name}")
    index = call.params.get("IndexName")
    return f"{base}/index/{index}" if index else base


def _function(call: Call) -> str:
    name = call.params["FunctionName"]
    return name if name.startswith("arn:") else call.arn("lambda", f"function:{name}")


def _queue(call: Call) -> str:
    return call.arn("sqs", call.params["QueueUrl"].rsplit("/", 1)[-1])


def _missing(call: Call, facts: Facts) -> str:
    bucket = call.params["Bucket"]
    return "" if facts.has_object(*_object(call)) else f"arn:{call.partition}:s3:::{bucket}"


def _kms(call: Call, facts: Facts) -> str:
    given = call.params.get("KeyId") or call.params.get("KmsKey")
    return facts.key(call.region, given or call.params.get("CiphertextBlob") or b"")


PLACES: dict[str, Callable[[Call, Facts], str]] = {
    "bucket without the object": _missing,
    "key of the object": lambda call, facts: facts.object_key(*_object(call)),
    "key of the bucket": lambda call, facts: (
        facts.key(call.region, call.params["SSEKMSKeyId"])
        if call.params.get("SSEKMSKeyId")
        else facts.bucket_key(call.params["Bucket"])
    ),
    "source": lambda call, _facts: (
        f"arn:{call.partition}:s3:::{_source(call)[0]}/{_source(call)[1]}"
    ),
    "source version": lambda call, _facts: _source(call)[2] or "",
    "key of the source": lambda call, facts: facts.object_key(*_source(call)),
    "table": lambda call, _facts: _table(call),
    "key of the table": lambda call, facts: facts.table_key(call.region, call.params["TableName"]),
    "function": lambda call, _facts: _function(call),
    "queue": lambda call, _facts: _queue(call),
    "key of the topic": lambda call, facts: facts.topic_key(call.params["TopicArn"]),
    "key": _kms,
}
_FIELD = re.compile(r"\{([^}]+)\}")


def _filled(template: str, call: Call, facts: Facts) -> str:
    """The template's text; empty if a part of it is not there."""
    empty = False

    def value(found: re.Match[str]) -> str:
        nonlocal empty
        name = found[1]
        if name in PLACES:
            text = PLACES[name](call, facts)
        elif name in ("partition", "region", "account"):
            return str(getattr(call, name))
        else:
            text = str(call.params.get(name, ""))
        empty = empty or not text
        return text

    text = _FIELD.sub(value, template)
    return "" if empty else text


def _given(name: str, call: Call, facts: Facts) -> bool:
    return bool(_filled(name, call, facts) if name.startswith("{") else call.params.get(name))


def _of_row(row: Row, call: Call, facts: Facts) -> Iterator[Need]:
    if (row.when and not _given(row.when, call, facts)) or (
        row.unless and _given(row.unless, call, facts)
    ):
        return
    resource = _filled(row.resource, call, facts)
    if not resource:
        return
    filled = {key: _filled(value, call, facts) for key, value in row.context.items()}
    given = {key: text for key, text in filled.items() if text}
    yield Need(row.action, (resource,), {**_encryption(row, call), **given})


def _encryption(row: Row, call: Call) -> dict[str, str]:
    """Condition keys of KMS: who asks it for the caller, or what the caller itself gives."""
    if not row.action.startswith("kms:"):
        return {}
    if call.service != "kms":
        return {"kms:ViaService": f"{call.service}.{call.region}.amazonaws.com"}
    given = call.params.get("EncryptionContext") or {}
    return {f"kms:EncryptionContext:{key}": value for key, value in given.items()}


def _events(call: Call, _facts: Facts) -> Iterator[Need]:
    for entry in call.params.get("Entries", []):
        bus = entry.get("EventBusName") or "default"
        yield Need(
            "events:PutEvents",
            (bus if bus.startswith("arn:") else call.arn("events", f"event-bus/{bus}"),),
            {
                "events:source": entry.get("Source", ""),
                "events:detail-type": entry.get("DetailType", ""),
            },
        )


def _rest_api(call: Call, _facts: Facts) -> Iterator[Need]:
    """Allowed for any Airflow role: MWAA takes the one that the caller may use."""
    roles = ("Op", "Admin", "User", "Viewer", "Public")
    name = call.params["Name"]
    yield Need(
        "airflow:InvokeRestApi", tuple(call.arn("airflow", f"role/{name}/{role}") for role in roles)
    )


def _delete_objects(call: Call, _facts: Facts) -> Iterator[Need]:
    bucket = call.params["Bucket"]
    for one in call.params.get("Delete", {}).get("Objects", []):
        action = "s3:DeleteObjectVersion" if one.get("VersionId") else "s3:DeleteObject"
        yield Need(action, (f"arn:{call.partition}:s3:::{bucket}/{one['Key']}",))


SPECIAL: dict[tuple[str, str], Callable[[Call, Facts], Iterable[Need]]] = {
    ("events", "PutEvents"): _events,
    ("airflow", "InvokeRestApi"): _rest_api,
    ("s3", "DeleteObjects"): _delete_objects,
}


def needs(call: Call, facts: Facts) -> list[Need]:
    """Everything that must be allowed for `call`."""
    if call.service == "s3" and not facts.bucket(str(call.params.get("Bucket", ""))):
        rows = ROWS["s3"].get(call.operation, ())
        # S3 says that a bucket does not exist to everybody.
        return [Need(row.action, ("*",)) for row in rows if row.resource == "*"]
    special = SPECIAL.get((call.service, call.operation))
    if special is not None:
        return list(special(call, facts))
    rows = ROWS.get(call.service, {}).get(call.operation)
    if rows is None:
        prefix = PREFIXES.get(call.service, call.service)
        return [Need(f"{prefix}:{call.operation}", ())]
    return [need for row in rows for need in _of_row(row, call, facts)]
