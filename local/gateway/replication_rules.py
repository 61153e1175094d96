"""Replication rules as they were put, read into something to decide with. Pure.

Source: S3 user guide, "Replication configuration" and "Replicating encrypted objects".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Args:
        tags: all of them must be on the object.
        replica_key: key that encrypts the replica, in the destination's Region.
        encrypted: whether objects under a KMS key are replicated.
        delete_markers: whether delete markers are.
        metrics: whether replication metrics are published.
    """

    identifier: str
    priority: int
    enabled: bool
    prefix: str
    tags: Mapping[str, str]
    bucket: str
    storage_class: str | None
    replica_key: str | None
    encrypted: bool
    delete_markers: bool
    metrics: bool

    def matches(self, key: str, tags: Mapping[str, str]) -> bool:
        return (
            self.enabled
            and key.startswith(self.prefix)
            and all(tags.get(name) == value for name, value in self.tags.items())
        )


def _status(parent: Mapping[str, Any] | None, *path: str) -> bool:
    node: Any = parent
    for name in path:
        node = (node or {}).get(name)
    return (node or {}).get("Status") == "Enabled"


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def parse(config: Mapping[str, Any] | None) -> list[Rule]:
    """The rules of a stored configuration, as moto keeps it: XML turned into dicts."""
    return [_rule(raw) for raw in _list((config or {}).get("Rule"))]


def _rule(raw: Mapping[str, Any]) -> Rule:
    wanted = raw.get("Filter") or {}
    both = wanted.get("And") or {}
    tags = _list(both.get("Tag")) + _list(wanted.get("Tag"))
    destination = raw["Destination"]
    return Rule(
        identifier=raw.get("ID", ""),
        priority=int(raw.get("Priority") or 0),
        enabled=raw["Status"] == "Enabled",
        prefix=both.get("Prefix") or wanted.get("Prefix") or raw.get("Prefix") or "",
        tags={tag["Key"]: tag["Value"] or "" for tag in tags},
        bucket=destination["Bucket"].split(":::", 1)[-1],
        storage_class=destination.get("StorageClass"),
        replica_key=(destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID"),
        encrypted=_status(raw, "SourceSelectionCriteria", "SseKmsEncryptedObjects"),
        delete_markers=_status(raw, "DeleteMarkerReplication"),
        metrics=_status(destination, "Metrics"),
    )


def chosen(rules: Sequence[Rule], key: str, tags: Mapping[str, str]) -> list[Rule]:
    """For each destination the matching rule with the highest priority."""
    best: dict[str, Rule] = {}
    for rule in rules:
        if rule.matches(key, tags):
            known = best.get(rule.bucket)
            if known is None or rule.priority > known.priority:
                best[rule.bucket] = rule
    return list(best.values())


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as GetBucketReplication gives it back: all that was put."""
    return {
        "Role": config["Role"],
        "Rules": [_described_rule(raw) for raw in _list(config["Rule"])],
    }


def _described_rule(raw: Mapping[str, Any]) -> dict[str, Any]:
    rule = {key: value for key, value in raw.items() if key not in ("Filter", "Priority")}
    if "Filter" in raw:
        rule["Priority"] = int(raw.get("Priority") or 0)
        wanted = dict(raw["Filter"] or {})
        if wanted.get("And"):
            both = wanted["And"]
            wanted = {"And": {"Prefix": both.get("Prefix") or "", "Tags": _list(both.get("Tag"))}}
        elif not wanted.get("Tag"):
            wanted = {"Prefix": wanted.get("Prefix") or ""}
        rule["Filter"] = wanted
    elif "Prefix" in raw:
        rule["Prefix"] = raw["Prefix"] or ""
    destination = dict(raw["Destination"])
    for name, inner in (("ReplicationTime", "Time"), ("Metrics", "EventThreshold")):
        part = destination.get(name)
        if part and part.get(inner):
            destination[name] = {**part, inner: {"Minutes": int(part[inner]["Minutes"])}}
    rule["Destination"] = destination
    return rule


def mistake(config: Mapping[str, Any]) -> str | None:
    """What S3 refuses in a configuration, or None."""
    identifiers = [raw.get("ID") for raw in _list(config.get("Rule")) if raw.get("ID")]
    if len(identifiers) != len(set(identifiers)):
        return "Rule Id must be unique."
    for raw in _list(config.get("Rule")):
        if "Filter" in raw and "DeleteMarkerReplication" not in raw:
            return "DeleteMarkerReplication must be specified for this version of the schema."
        if "Filter" in raw and "Priority" not in raw:
            return "Priority must be specified for this version of the schema."
        rule = _rule(raw)
        if rule.encrypted and not rule.replica_key:
            return "EncryptionConfiguration must be specified with SseKmsEncryptedObjects."
        if rule.tags and rule.delete_markers:
            return "Delete marker replication is not supported for tag-based rules."
    return None
