"""Everything of one environment that runs: its database, its containers and its sidecar."""

import json
import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cryptography.fernet import Fernet

from local import clocks, leash, postgres
from local.mwaa import artifacts, family, install, launch
from local.mwaa.aws import Aws
from local.mwaa.container import Event
from local.mwaa.family import Component
from local.mwaa.folders import Folders
from local.mwaa.launch import Held, Timing
from local.mwaa.record import Place
from local.mwaa.supervised import Supervised
from local.mwaa.variables import Database, Facts
from local.mwaa.web import WebServer, scheduler_ready
from local.ports import free_port

log = logging.getLogger(__name__)

START_SECONDS = 240.0
"""An environment that is not usable so long after its script has failed."""
PREPARE_SECONDS = 300.0
POLL = 0.1


class StartError(Exception):
    """The environment cannot start, and why."""


class EndedError(Exception):
    """The start was ended from outside: the Region was lost or the environment deleted."""


class Runtime:
    """One environment's processes.

    Args:
        name: the environment's name.
        place: Region and account.
        folders: where its files are.
    """

    def __init__(
        self, name: str, place: Place, folders: Folders, *, aws: Aws, timing: Timing
    ) -> None:
        self.name, self.region, self.account = name, place.region, place.account
        self.folders, self.aws, self.timing = folders, aws, timing
        self.environment_id = str(uuid.uuid4())
        self.fernet_key = Fernet.generate_key().decode()
        self.web_port, self.statsd_port = free_port(), free_port()
        self.cluster: postgres.Cluster | None = None
        self._acting = aws
        self._secret, self._password = secrets.token_hex(32), secrets.token_urlsafe(24)
        self._prepared = ""
        self._version = ""
        self._run = 0
        self._closed = False
        self._lock = threading.Lock()
        self._parts: dict[str, Supervised] = {}
        self._busy: list[Held] = []

    # -- what the control plane asks ---------------------------------------------------------

    def start(self, document: Mapping[str, Any]) -> None:
        """Bring everything up as `document` (GetEnvironment) says; return when it is usable.

        Raises:
            StartError: it cannot; the text says why.
            EndedError: `kill` was called meanwhile.
        """
        with self._lock:
            self._run += 1
            run = self._run
        self._version = document["AirflowVersion"]
        self._result(lambda: install.ensure(self._version))
        self._result(lambda: self._assume(document["ExecutionRoleArn"]))
        with ThreadPoolExecutor(2) as pool:
            database = pool.submit(self._open_database)
            fetched = pool.submit(
                artifacts.fetch, self._acting.client("s3", self.region), document, self.folders
            )
            self._start_sidecar(document, run)
            for job in (database, fetched):
                self._result(job.result)
        facts = self._facts(document)
        if self._prepared != self._version:
            self._prepare(facts, run)
        begun = time.time()
        self._start_container(facts, Component.SCHEDULER, run)
        self._start_container(facts, Component.WEBSERVER, run)
        self._wait(
            lambda: self._usable(begun), START_SECONDS, "the scheduler and the web server", run
        )

    def kill(self) -> None:
        """End every process but the database, at once."""
        with self._lock:
            self._run += 1
            parts, busy = list(self._parts.values()), list(self._busy)
            self._parts.clear()
            self._busy.clear()
        jobs = [part.stop for part in parts]
        jobs += [lambda held=held: leash.release(held) for held in busy]
        if jobs:
            with ThreadPoolExecutor(len(jobs)) as pool:
                for done in [pool.submit(job) for job in jobs]:
                    done.result()

    def close(self) -> None:
        """End everything, the database too."""
        self._closed = True
        self.kill()
        if self.cluster is not None:
            self.cluster.stop(mode="immediate")

    def pids(self) -> dict[str, int]:
        """Pid of each container and of the sidecar; what they run is below these."""
        with self._lock:
            return {
                str(name): part.pid for name, part in self._parts.items() if part.pid is not None
            }

    @property
    def web(self) -> WebServer:
        return WebServer(family.of(self._version), self.web_port, self._password)

    def start_command(
        self, document: Mapping[str, Any], arguments: list[str], out: IO[bytes], err: IO[bytes]
    ) -> Held:
        """Run `airflow <arguments>`; it ends with the environment.

        Raises:
            EndedError: the environment does not run.
        """
        facts = self._facts(document)
        with self._lock:
            if not self._parts:
                raise EndedError
            held = launch.start_command(facts, arguments, self.folders, out, err)
            self._busy.append(held)
            return held

    def let_go(self, held: Held) -> None:
        with self._lock:
            if held in self._busy:
                self._busy.remove(held)
        leash.release(held)

    # -- the steps of a start ----------------------------------------------------------------

    def _result(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except Exception as error:
            raise StartError(f"{type(error).__name__}: {error}") from error

    def _assume(self, role_arn: str) -> None:
        """All that runs in the environment acts as its execution role."""
        self._acting = self.aws.assuming(role_arn, self.region, "AmazonMWAA-airflow")

    def _open_database(self) -> None:
        if self.cluster is None:
            self.folders.fernet_key.touch(mode=0o600)
            self.folders.fernet_key.write_text(self.fernet_key)
            self.cluster = postgres.start(self.folders.cluster, ahead=self.timing.ahead)
            if self._closed:
                self.cluster.stop(mode="immediate")

    def _facts(self, document: Mapping[str, Any]) -> Facts:
        if self.cluster is None:
            raise EndedError
        return Facts(
            name=self.name,
            environment_id=self.environment_id,
            region=self.region,
            account=self.account,
            version=document["AirflowVersion"],
            aws=self._acting.variables(),
            home=self.folders.home,
            database=Database(
                "127.0.0.1",
                self.cluster.port,
                postgres.DATABASE,
                postgres.USER,
                self.cluster.password,
            ),
            fernet_key=self.fernet_key,
            secret=self._secret,
            web_port=self.web_port,
            statsd_port=self.statsd_port,
            options=document.get("AirflowConfigurationOptions", {}),
            clock=clocks.variables(self.timing.ahead),
        )

    def _add(self, name: str, part: Supervised, run: int) -> None:
        with self._lock:
            if self._run != run:
                raise EndedError
            self._parts[name] = part
            part.start()

    def _start_sidecar(self, document: Mapping[str, Any], run: int) -> None:
        settings = replace(
            launch.sidecar(self.name, self.region, self.statsd_port, document, self.folders),
            sync_seconds=self.timing.sync_seconds,
            metric_seconds=self.timing.metric_seconds,
        )
        aws = self._acting.variables()
        part = Supervised(
            f"{self.region}/{self.name} sidecar",
            lambda: launch.start_sidecar(settings, aws, self.folders),
            self.folders.pid("sidecar"),
        )
        self._add("sidecar", part, run)

    def _prepare(self, facts: Facts, run: int) -> None:
        held, output = launch.start_prepare(facts, self._password, self.folders)
        with self._lock:
            self._busy.append(held)
        try:
            self._wait(lambda: held.poll() is not None, PREPARE_SECONDS, "db migrate", run)
        finally:
            self.let_go(held)
        if held.returncode:
            raise StartError(f"db migrate ended with code {held.returncode}: {_tail(output)}")
        self._prepared = facts.version

    def _start_container(self, facts: Facts, component: Component, run: int) -> None:
        told: dict[str, dict[str, Any]] = {}
        spec = launch.write_spec(facts, component, self.folders, self.timing)

        def on_event(event: dict[str, Any]) -> None:
            told[event["event"]] = event
            log.info("%s/%s %s: %s", self.region, self.name, component, json.dumps(event))

        part = Supervised(
            f"{self.region}/{self.name} {component}",
            lambda: launch.start_container(spec, self.folders),
            self.folders.pid(component),
            on_event,
        )
        self._add(component, part, run)
        self._wait(
            lambda: bool({Event.SCRIPT_DONE, Event.SCRIPT_FAILED} & told.keys()),
            self.timing.script_seconds + 10,
            "the startup script",
            run,
        )
        if Event.SCRIPT_FAILED in told:
            raise StartError(str(told[Event.SCRIPT_FAILED]["message"]))

    def _usable(self, since: float) -> bool:
        health = self.web.health()
        beat = health.get("scheduler", {}).get("latest_scheduler_heartbeat") or ""
        return scheduler_ready(health) and _epoch(beat) >= since + self.timing.ahead

    def _wait(self, done: Callable[[], bool], seconds: float, what: str, run: int) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if self._run != run:
                raise EndedError
            if time.monotonic() > deadline:
                raise StartError(
                    f"{what} did not get ready within {seconds:g} seconds; "
                    f"see {self.folders.outputs}"
                )
            time.sleep(POLL)
        if self._run != run:
            raise EndedError


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _tail(path: Path, characters: int = 600) -> str:
    return path.read_text(errors="replace")[-characters:].strip()
