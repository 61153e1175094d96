"""The part of an environment that is not Airflow: a process that syncs DAGs and publishes metrics.

It has its own process so that it dies with the Region, and so that the gateway's interpreter is
not slowed down by it. Run as `python -m local.mwaa.sidecar <settings as JSON>`; the AWS endpoint
and credentials are in its environment.
"""

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import leash
from local.mwaa import metrics
from local.mwaa.sync import Folder

log = logging.getLogger("sidecar")
CONFIG = Config(
    connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, inject_host_prefix=False
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What it serves.

    Args:
        pid_file: holds the pid of the scheduler's container.
        sync_seconds: time between two looks into the bucket.
        metric_seconds: period of the published metrics.
    """

    environment: str
    region: str
    bucket: str
    prefix: str
    dags: str
    statsd_port: int
    pid_file: str
    sync_seconds: float = 3.0
    metric_seconds: float = 10.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Cpu:
    """Processor use of a container's processes between two readings."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file
        self._last: dict[int, float] = {}
        self._at = time.monotonic()

    def percent(self) -> float:
        """Percent of one processor; 0 when nothing runs."""
        now, seconds = time.monotonic(), self._times()
        spent = sum(max(0.0, value - self._last.get(pid, 0.0)) for pid, value in seconds.items())
        if not self._last:
            spent = 0.0
        elapsed = max(now - self._at, 0.001)
        self._last, self._at = seconds, now
        return round(100 * spent / elapsed, 2)

    def _times(self) -> dict[int, float]:
        found: dict[int, float] = {}
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return found
        for process in leash.tree(pid):
            try:
                used = process.cpu_times()
            except psutil.Error:
                continue
            found[process.pid] = used.user + used.system + getattr(used, "children_user", 0.0)
        return found


def _every(seconds: float, what: Callable[[], object]) -> None:
    """Do it for ever; a failing AWS is logged and tried again at the next turn."""
    while True:
        started = time.monotonic()
        try:
            what()
        except (BotoCoreError, ClientError, OSError) as error:
            log.warning("%s failed: %s", getattr(what, "__name__", what), error)
        time.sleep(max(0.05, seconds - (time.monotonic() - started)))


def serve(settings: Settings) -> None:
    """Sync and publish until the process is ended."""
    session: Any = boto3.Session(region_name=settings.region)
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", settings.statsd_port))
    aggregator, lock = metrics.Aggregator(), threading.Lock()

    def listen() -> None:
        while True:
            packet = listener.recv(65536)
            with lock:
                aggregator.add(packet)

    folder = Folder(
        session.client("s3", config=CONFIG), settings.bucket, settings.prefix, Path(settings.dags)
    )
    cloudwatch = session.client("cloudwatch", config=CONFIG)
    cpu = Cpu(Path(settings.pid_file))

    def sync() -> None:
        changed = folder.pull()
        if changed:
            log.info("%d DAG files changed", changed)

    def publish() -> None:
        at = datetime.now(UTC)
        with lock:
            points = aggregator.flush(settings.environment, at)
        cloudwatch.put_metric_data(
            Namespace=metrics.INFRASTRUCTURE_NAMESPACE,
            MetricData=metrics.infrastructure(settings.environment, at, cpu.percent()),
        )
        if points:
            cloudwatch.put_metric_data(Namespace=metrics.AIRFLOW_NAMESPACE, MetricData=points)

    threading.Thread(target=listen, daemon=True).start()
    threading.Thread(target=_every, args=(settings.sync_seconds, sync), daemon=True).start()
    time.sleep(min(1.0, settings.metric_seconds))
    _every(settings.metric_seconds, publish)


def main() -> None:
    leash.on_release(lambda: os._exit(0))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    serve(Settings(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
