"""Everything of one environment that runs: its database, its containers and its sidecar."""

import json
import logging
import secrets
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from local import leash, postgres
from local.mwaa import artifacts, family, install
from local.mwaa.aws import Aws
from local.mwaa.container import STARTUP_SECONDS, Event, Spec
from local.mwaa.family import Component
from local.mwaa.folders import Folders
from local.mwaa.record import Place
from local.mwaa.sidecar import Settings
from local.mwaa.supervised import Supervised
from local.mwaa.variables import Database, Facts, Layers, layers
from local.mwaa.web import USER, WebServer, scheduler_ready
from local.ports import free_port

log = logging.getLogger(__name__)

PREPARE = Path(__file__).with_name("prepare.py")
START_SECONDS = 240.0
"""An environment that is not usable so long after its script has failed."""
PREPARE_SECONDS = 300.0
POLL = 0.1


class StartError(Exception):
    """The environment cannot start, and why."""


class EndedError(Exception):
    """The start was ended from outside: the Region was lost or the environment deleted."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the sidecar acts; MWAA's are about 30 and 60 seconds."""

    sync_seconds: float = 3.0
    metric_seconds: float = 10.0
    script_seconds: float = STARTUP_SECONDS


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
        self._secret, self._password = secrets.token_hex(32), secrets.token_urlsafe(24)
        self._prepared = ""
        self._version = ""
        self._run = 0
        self._lock = threading.Lock()
        self._parts: dict[str, Supervised] = {}
        self._busy: list[subprocess.Popen[bytes]] = []

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
        with ThreadPoolExecutor(2) as pool:
            database = pool.submit(self._open_database)
            fetched = pool.submit(
                artifacts.fetch, self.aws.client("s3", self.region), document, self.folders
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

    def variables(self, document: Mapping[str, Any]) -> dict[str, str]:
        """What a command run in the web server's container sees, but for its script's exports."""
        return layers(self._facts(document), Component.WEBSERVER).compose({})

    def hold(self, start: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
        """Start a further process that ends with the environment.

        Raises:
            EndedError: the environment does not run.
        """
        with self._lock:
            if not self._parts:
                raise EndedError
            held = start()
            self._busy.append(held)
            return held

    def let_go(self, held: "subprocess.Popen[bytes]") -> None:
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

    def _open_database(self) -> None:
        if self.cluster is None:
            self.folders.fernet_key.write_text(self.fernet_key)
            self.folders.fernet_key.chmod(0o600)
            self.cluster = postgres.start(self.folders.cluster)

    def _facts(self, document: Mapping[str, Any]) -> Facts:
        if self.cluster is None:
            raise EndedError
        return Facts(
            name=self.name,
            environment_id=self.environment_id,
            region=self.region,
            account=self.account,
            version=document["AirflowVersion"],
            aws=self.aws.variables(),
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
        )

    def _add(self, name: str, part: Supervised, run: int) -> None:
        with self._lock:
            if self._run != run:
                raise EndedError
            self._parts[name] = part
            part.start()

    def _start_sidecar(self, document: Mapping[str, Any], run: int) -> None:
        prefix = document["DagS3Path"].strip("/")
        settings = Settings(
            environment=self.name,
            region=self.region,
            bucket=document["SourceBucketArn"].rpartition(":")[2],
            prefix=f"{prefix}/" if prefix else "",
            dags=str(self.folders.dags),
            statsd_port=self.statsd_port,
            pid_file=str(self.folders.pid(Component.SCHEDULER)),
            sync_seconds=self.timing.sync_seconds,
            metric_seconds=self.timing.metric_seconds,
        )

        def launch() -> "subprocess.Popen[bytes]":
            with (self.folders.outputs / "sidecar.log").open("ab") as out:
                return leash.hold(
                    ["local.mwaa.sidecar", settings.to_json()],
                    env={**self.aws.variables(), "PATH": "/usr/bin:/bin"},
                    output=out,
                )

        label = f"{self.region}/{self.name} sidecar"
        self._add("sidecar", Supervised(label, launch, self.folders.pid("sidecar")), run)

    def _prepare(self, facts: Facts, run: int) -> None:
        env = layers(facts, Component.SCHEDULER).compose({})
        output = self.folders.outputs / "prepare.log"
        with output.open("ab") as out:
            held = leash.start(
                [install.python_of(facts.version), "-P", PREPARE],
                env={**env, "PREPARE_USER": USER, "PREPARE_PASSWORD": self._password},
                cwd=self.folders.home,
                output=out,
            )
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
        path = self.folders.spec(component)
        self._write_spec(path, facts, component, layers(facts, component))

        def launch() -> "subprocess.Popen[bytes]":
            with (self.folders.outputs / f"container-{component}.log").open("ab") as errors:
                return leash.hold(
                    ["local.mwaa.container", str(path)],
                    env={"PATH": "/usr/bin:/bin"},
                    output=subprocess.PIPE,
                    errors=errors,
                )

        def on_event(event: dict[str, Any]) -> None:
            told[event["event"]] = event
            log.info("%s/%s %s: %s", self.region, self.name, component, json.dumps(event))

        label = f"{self.region}/{self.name} {component}"
        self._add(component, Supervised(label, launch, self.folders.pid(component), on_event), run)
        self._wait(
            lambda: bool({Event.SCRIPT_DONE, Event.SCRIPT_FAILED} & told.keys()),
            self.timing.script_seconds + 10,
            "the startup script",
            run,
        )
        if Event.SCRIPT_FAILED in told:
            raise StartError(str(told[Event.SCRIPT_FAILED]["message"]))

    def _write_spec(self, path: Path, facts: Facts, component: Component, own: Layers) -> None:
        airflow = str(install.python_of(facts.version).with_name("airflow"))
        script = self.folders.startup_script
        spec = Spec(
            component=component.value,
            processes={
                arguments[0]: [airflow, *(item.format(port=self.web_port) for item in arguments)]
                for arguments in family.of(facts.version).processes[component]
            },
            below=own.below,
            above=own.above,
            home=str(self.folders.home),
            logs=str(self.folders.outputs),
            script=str(script) if script.exists() else "",
            script_seconds=self.timing.script_seconds,
        )
        path.touch(mode=0o600)
        path.write_text(spec.to_json())

    def _usable(self, since: float) -> bool:
        health = self.web.health()
        beat = health.get("scheduler", {}).get("latest_scheduler_heartbeat") or ""
        return scheduler_ready(health) and _epoch(beat) >= since

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
