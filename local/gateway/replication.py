"""Carries new object versions between buckets, as S3 replication does.

Replicas keep version ids, creation times, metadata and tags, and are not replicated again. Nothing
leaves or reaches a Region whose S3 is lost: it waits and is carried when the Region is back.
"""

import heapq
import itertools
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeDeleteMarker, s3_backends

from local.gateway.access import duties
from local.gateway.access.callers import Caller
from local.gateway.access.guard import Guard
from local.gateway.access.needs import Need
from local.gateway.replication_rules import Rule, chosen, parse
from local.gateway.telemetry import Telemetry
from local.gateway.world import World

log = logging.getLogger(__name__)
SMALLEST_LAG = 0.2
"""moto sets metadata and tags just after it stored an object; a copy must not overtake that."""
METRIC_SECONDS = 60
_ENCRYPT = ("kms:Encrypt", "kms:GenerateDataKey")


@dataclass(frozen=True, slots=True)
class Copy:
    """One version on its way to one destination."""

    bucket: str
    key: str
    version_id: str
    rule: Rule
    size: int
    created: float


class Replicator:
    """A queue of copies in the order in which they are due."""

    def __init__(
        self, world: World, guard: Guard, telemetry: Telemetry, lag_seconds: float = 1.0
    ) -> None:
        self._world = world
        self._guard = guard
        self._telemetry = telemetry
        self.lag_seconds = lag_seconds
        self._queue: list[tuple[float, int, Copy]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._failures: dict[tuple[str, str], int] = {}
        self._next_metrics = 0.0
        self.put_object: Any = None
        """S3's own way to store an object; set by the patch that calls `created`."""

    @property
    def _s3(self) -> Any:  # noqa: ANN401
        return s3_backends[self._world.account]["aws"]

    def created(self, bucket: Any, version: Any) -> None:  # noqa: ANN401
        """A new version or delete marker: queue it for every destination that wants it."""
        rules = parse(getattr(bucket, "replication", None))
        if not rules or not bucket.is_versioned:
            return
        due = time.time() + max(self.lag_seconds, SMALLEST_LAG)
        marker = isinstance(version, FakeDeleteMarker)
        candidates = [r for r in rules if r.delete_markers or not marker]
        if not any(rule.matches(version.name, rule.tags) for rule in candidates):
            return
        if not marker:
            version.replication_status = "PENDING"
        with self._wake:
            # Tags arrive after the object: which rule wins is decided when the copy is due.
            for target in {rule.bucket: rule for rule in candidates}.values():
                size = 0 if marker else version.size
                copy = Copy(
                    bucket.name, version.name, version.version_id, target, size, time.time()
                )
                heapq.heappush(self._queue, (due, next(self._order), copy))
            self._wake.notify()

    def run(self) -> None:
        """Carry copies until the gateway stops."""
        while not self._world.stopping.is_set():
            with self._wake:
                now = time.time()
                due = self._queue[0][0] if self._queue else now + 1
                if due > now:
                    self._wake.wait(min(due - now, 1.0))
                    continue
                _, _, copy = heapq.heappop(self._queue)
            try:
                with self._world.turn("s3"):
                    carried = self._carry(copy)
                if not carried:
                    self._postpone(copy)
            except Exception:
                log.exception("replicating %s/%s", copy.bucket, copy.key)

    def describe(self) -> dict[str, Any]:
        with self._wake:
            waiting = len(self._queue)
        return {"lag_seconds": self.lag_seconds, "waiting": waiting}

    def _postpone(self, copy: Copy) -> None:
        with self._wake:
            heapq.heappush(self._queue, (time.time() + 0.5, next(self._order), copy))

    def _carry(self, copy: Copy) -> bool:
        """Copy one version; False if a Region is lost and it must wait."""
        source = self._s3.buckets.get(copy.bucket)
        target = self._s3.buckets.get(copy.rule.bucket)
        lost = self._world.outages.suspended
        for bucket in (source, target):
            if bucket is not None and lost(bucket.region_name, "s3"):
                return False
        versions = source.keys.getlist(copy.key, []) if source is not None else []
        version = next((v for v in versions if v.version_id == copy.version_id), None)
        if version is not None:  # else deleted before its turn
            self._offer(copy, source, target, version)
        return True

    def _offer(self, copy: Copy, source: Any, target: Any, version: Any) -> None:  # noqa: ANN401
        """Store the version at its destination if the rules of this moment want it there."""
        marker = isinstance(version, FakeDeleteMarker)
        tags = {} if marker else self._s3.tagger.get_tag_dict_for_resource(version.arn)
        winners = chosen(parse(getattr(source, "replication", None)), copy.key, tags)
        rule = next((r for r in winners if r.bucket == copy.rule.bucket), None)
        if rule is None or (marker and not rule.delete_markers):
            if not marker and not winners:
                version.replication_status = None
            return
        if not marker and version.encryption == "aws:kms" and not rule.encrypted:
            version.replication_status = None  # S3 leaves such objects out and says nothing
            return
        if target is None or not target.is_versioned:
            self._fail(copy, rule, version, f"{rule.bucket} cannot take replicas")
            return
        refusal = self._refusal(source, target, rule, version, tags)
        if refusal:
            self._fail(copy, rule, version, refusal)
            return
        known = target.keys.getlist(copy.key, [])
        if all(v.version_id != copy.version_id for v in known):
            try:
                self._store(target, rule, version, tags, known)
            except S3ClientError as error:
                self._fail(copy, rule, version, str(error))
                return
        if not marker:
            version.replication_status = "COMPLETED"

    def _refusal(
        self,
        source: Any,  # noqa: ANN401
        target: Any,  # noqa: ANN401
        rule: Rule,
        version: Any,  # noqa: ANN401
        tags: dict[str, str],
    ) -> str | None:
        """Why the rules' role may not do it; None if it may."""
        role = source.replication["Role"]
        here, there = source.region_name, target.region_name
        if not self._guard.assumes(role, "s3.amazonaws.com"):
            return f"s3.amazonaws.com may not assume {role}"
        marker = isinstance(version, FakeDeleteMarker)
        write = f"{target.arn}/{version.name}"
        reading = [*duties.read_to_replicate(source.arn, None if marker else version.name)]
        writing = [Need("s3:ReplicateDelete" if marker else "s3:ReplicateObject", (write,))]
        if not marker:
            writing += [Need("s3:ReplicateTags", (write,))] if tags else []
            reading += self._key_needs(("kms:Decrypt",), version.kms_key_id, here)
            writing += self._key_needs(_ENCRYPT, rule.replica_key, there)
        caller = Caller(role=role, session="s3-replication")
        return self._guard.judged(caller, here, reading) or self._guard.judged(
            caller, there, writing
        )

    def _key_needs(self, actions: tuple[str, ...], key: str | None, region: str) -> list[Need]:
        return duties.through("s3", region, actions, self._guard.key(region, key))

    def _fail(self, copy: Copy, rule: Rule, version: Any, reason: str) -> None:  # noqa: ANN401
        version.replication_status = "FAILED"
        key = (copy.bucket, rule.identifier)
        self._failures[key] = self._failures.get(key, 0) + 1
        log.warning("%s/%s is not replicated: %s", copy.bucket, copy.key, reason)

    def _store(
        self,
        target: Any,  # noqa: ANN401
        rule: Rule,
        version: Any,  # noqa: ANN401
        tags: dict[str, str],
        known: list[Any],
    ) -> None:
        if isinstance(version, FakeDeleteMarker):
            if not known:
                return  # a marker over nothing: the object itself never got here
            replica: Any = FakeDeleteMarker(key=known[-1])
            target.keys[version.name] = replica
        else:
            replica = self.put_object(
                self._s3,
                target.name,
                version.name,
                version.value,
                storage=rule.storage_class or version.storage_class,
                etag=version.etag.strip('"'),
                encryption="aws:kms" if rule.replica_key else None,
                kms_key_id=rule.replica_key,
                lock_mode=version.lock_mode,
                lock_until=version.lock_until,
                lock_legal_status=version.lock_legal_status,
                checksum_value=version.checksum_value,
                disable_notification=True,
            )
            replica.set_metadata(dict(version.metadata))
            replica.checksum_algorithm = version.checksum_algorithm
            replica.checksum_type = version.checksum_type
            replica.checksum_parts = version.checksum_parts
            replica.replication_status = "REPLICA"
        replica._version_id = version.version_id
        replica.last_modified = version.last_modified
        if tags:
            self._s3.tagger.tag_resource(
                replica.arn, self._s3.tagger.convert_dict_to_tags_input(tags)
            )
        target.keys.getlist(version.name).sort(key=lambda v: v.last_modified)

    def tick(self) -> None:
        """Publish the replication metrics of rules that ask for them, each minute."""
        now = time.time()
        if now < self._next_metrics:
            return
        self._next_metrics = now + METRIC_SECONDS
        with self._wake:
            waiting = [copy for _, _, copy in self._queue]
        metered = [
            (bucket.name, rule)
            for bucket in list(self._s3.buckets.values())
            for rule in parse(getattr(bucket, "replication", None))
            if rule.metrics
        ]
        for bucket, rule in metered:
            mine = [c for c in waiting if (c.bucket, c.rule.bucket) == (bucket, rule.bucket)]
            source, target = self._s3.buckets.get(bucket), self._s3.buckets.get(rule.bucket)
            if source is None or target is None:
                continue
            dimensions = {
                "SourceBucket": bucket,
                "DestinationBucket": rule.bucket,
                "RuleId": rule.identifier,
            }
            there, here = target.region_name, source.region_name
            latency = max((now - c.created for c in mine), default=0.0)
            emit = self._telemetry.metric
            emit(there, "AWS/S3", {"ReplicationLatency": latency}, dimensions, unit="Seconds")
            emit(there, "AWS/S3", {"OperationsPendingReplication": len(mine)}, dimensions)
            pending = sum(c.size for c in mine)
            emit(there, "AWS/S3", {"BytesPendingReplication": pending}, dimensions, unit="Bytes")
            failed = self._failures.pop((bucket, rule.identifier), 0)
            emit(here, "AWS/S3", {"OperationsFailedReplication": failed}, dimensions)
