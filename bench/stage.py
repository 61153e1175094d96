"""Where scenarios play: databases, backups, timed operations and what they measured."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import check, dataset, peer, process
from bench.bars import FULL
from bench.databases import EMPTY, OWNER, VERSION, Server
from bench.process import OperationError, Outcome
from local.mwaa import install

HARD = """
DELETE FROM dag_run WHERE state IN ('running', 'queued');
DELETE FROM trigger;
UPDATE dag_run SET log_template_id = (SELECT min(id) FROM log_template);
"""
"""Rows that the peer exports and then cannot restore: unfinished runs with all that hangs on them,
triggers, and runs of a newer log template than the target's."""


FAILURES = (OperationError, check.WrongResultError, TimeoutError)
"""What makes one figure worthless, but not the others."""


@dataclass(slots=True)
class Stage:
    """One benchmark run.

    Args:
        folder: for backups, Airflow homes and exports.
        tell: shows what is happening.
        raw: every repetition's seconds or MiB.
        missing: why something could not be measured.
        failures: what went wrong.
    """

    server: Server
    folder: Path
    tell: Callable[[str], None]
    raw: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    backups: dict[int, str] = field(default_factory=dict)
    _contents: dict[str, check.Contents] = field(default_factory=dict)
    _fresh: set[str] = field(default_factory=set)

    def record(self, name: str, value: float) -> None:
        """Add a repetition; the first one of this run replaces an earlier run's."""
        if name not in self._fresh:
            self._fresh.add(name)
            self.raw[name] = []
            self.missing.pop(name, None)
        self.raw[name].append(round(value, 3))
        self.tell(f"{name}: {value:.2f}")

    def attempt(self, name: str, action: Callable[[], None]) -> None:
        """Do `action`, which measures `name`; what goes wrong becomes the reason for no figure."""
        try:
            action()
        except FAILURES as error:
            self.failures.append(name)
            self.raw.pop(name, None)
            self.missing[name] = f"failed: {error}"
            self.tell(f"{name} failed: {error}")

    def source(self, size: int = FULL) -> str:
        """A filled database of `size` task instances, made when first asked for."""
        if str(size) not in self.server.sources:
            self.tell(f"fill a database of {size:,} task instances")
            dataset.fill(self.server, size)
        return self.server.sources[str(size)]

    def target(self, name: str = "target") -> str:
        """A migrated database without history."""
        return self.server.copy(EMPTY, name)

    def settle(self) -> None:
        """Start every timed operation with nothing left to write by an earlier one."""
        self.server.administer("CHECKPOINT")
        os.sync()

    def engine(self, database: str, key: str, **order: Any) -> Outcome:  # noqa: ANN401
        """One run of the metadata engine, in Airflow's own Python."""
        full = self.order(database, key, **order)
        self.settle()
        return process.run([self.python, "-m", "bench.drive", json.dumps(full)])

    def order(self, database: str, key: str, **order: Any) -> dict[str, Any]:  # noqa: ANN401
        return {
            "url": self.server.url(database),
            "key": key,
            "folder": str(self.made(f"backups-{order.pop('size', FULL)}")),
            **order,
        }

    @property
    def python(self) -> Path:
        return install.ensure(VERSION)

    def export(self, size: int = FULL) -> Outcome:
        """A base backup of the source."""
        self.source(size)
        done = self.engine(
            self.source(size), self.server.source_key, do="export", kind="base", size=size
        )
        self.backups[size] = done.said["backup"]
        return done

    def backup(self, size: int = FULL) -> str:
        """The latest base backup of the source, made when first asked for."""
        if size not in self.backups:
            self.export(size)
        return self.backups[size]

    def copy(self, do: str, database: str) -> Outcome:
        """The yardstick: COPY to or from files."""
        server = self.server
        dsn = (
            f"host=127.0.0.1 port={server.port} user={OWNER} password={server.password} "
            f"dbname={database}"
        )
        order = {"do": do, "dsn": dsn, "folder": str(self.made("copy"))}
        self.settle()
        return process.run([sys.executable, "-m", "bench.yardstick", json.dumps(order)])

    def peer_source(self) -> str:
        """The source without what the peer could not restore."""
        name = "peer_source"
        if not self.server.rows("postgres", "SELECT FROM pg_database WHERE datname = %s", name):
            self.server.copy(self.source(), name)
            self.server.rows(name, HARD)
            connection = self.server.connect(name)
            connection.autocommit = True
            connection.cursor().execute("VACUUM ANALYZE")
            connection.close()
        return name

    def peer(self, do: str, database: str, key: str) -> Outcome:
        """One run of the peer's code, in its own Airflow."""
        python = peer.ensure()
        self.settle()
        return process.run(
            [python, "-m", "bench.peer_drive", json.dumps({"do": do})],
            {
                "AIRFLOW_HOME": str(self.peer_home()),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.server.url(database),
                "AIRFLOW__CORE__FERNET_KEY": key,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            },
        )

    def peer_home(self) -> Path:
        """An Airflow home where the peer keeps its files."""
        (self.made("peer") / "dags").mkdir(exist_ok=True)
        return self.made("peer")

    def peer_files(self) -> Path:
        """The peer's export, made when first asked for."""
        files = self.peer_home() / "dags" / "data"
        if not (files / "xcom.csv").exists():
            self.peer("export", self.peer_source(), self.server.source_key)
        return files

    def made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def drop(self, database: str) -> None:
        self.server.drop(database)

    def forget(self, size: int) -> None:
        """Make room: drop a source and its backups."""
        with suppress(KeyError):
            self.drop(self.server.sources.pop(str(size)))
        self.backups.pop(size, None)
        shutil.rmtree(self.folder / f"backups-{size}", ignore_errors=True)

    def require_restored(self, database: str, source: str, what: str) -> None:
        """The whole of `source` is in `database`, without unfinished runs.

        Raises:
            check.WrongResultError: it is not.
        """
        if source not in self._contents:
            self._contents[source] = check.contents(
                self.server, source, source, self.server.source_key
            )
        found = check.contents(self.server, database, source, self.server.target_key)
        check.require_equal(found, self._contents[source], what)
