"""Starts and stops the gateway as a process of its own, with everything it started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from local.clocks import RIGHT, Clocks
from local.gateway.control import Control
from local.gateway.world import ACCESS_KEY, ACCOUNT, SECRET_KEY
from local.paths import ROOT
from local.ports import free_port

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running gateway, as `state.json` keeps it."""

    endpoint: str
    pid: int
    account: str
    clocks: Clocks = RIGHT

    @property
    def control(self) -> Control:
        return Control(self.endpoint)

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which boto3, Pulumi and the product use it instead of AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def state_file(root: Path) -> Path:
    return root / "state.json"


def find(root: Path) -> LocalAws | None:
    """The gateway that was started for `root`, if its process lives."""
    try:
        told = json.loads(state_file(root).read_text())
        known = LocalAws(**{**told, "clocks": Clocks(**told["clocks"])})
        process = psutil.Process(known.pid)
        ours = any("local.gateway.server" in part for part in process.cmdline())
    except (OSError, ValueError, TypeError, KeyError, psutil.Error):
        return None
    return known if ours and process.status() != psutil.STATUS_ZOMBIE else None


def start(
    root: Path,
    *,
    port: int | None = None,
    mwaa: str | None = None,
    clocks: Clocks = RIGHT,
) -> LocalAws:
    """Start a gateway that outlives this process, and wait until it answers.

    Args:
        root: folder for everything it writes; at most one gateway per folder.
        port: loopback port; a free one by default.
        mwaa: `module:Class` of another MWAA emulator.
        clocks: of what runs in it.

    Raises:
        RuntimeError: one is running already, or the new one ended at once (with its log).
        TimeoutError: it did not answer.
    """
    running_one = find(root)
    if running_one is not None:
        raise RuntimeError(
            f"a local AWS is up already at {running_one.endpoint} (process {running_one.pid})"
        )
    root.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    arguments = [sys.executable, "-m", "local.gateway.server", "--port", str(port)]
    arguments += ["--root", str(root), *(("--mwaa", mwaa) if mwaa else ())]
    arguments += [f"--functions-ahead={clocks.functions}", f"--airflow-ahead={clocks.airflow}"]
    log = root / "gateway.log"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MOTO_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    found = LocalAws(f"http://127.0.0.1:{port}", process.pid, ACCOUNT, clocks)
    deadline = time.monotonic() + START_SECONDS
    while not found.control.healthy(process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise RuntimeError(f"the local AWS did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)
    state_file(root).write_text(json.dumps(asdict(found)))
    return found


def stop(root: Path) -> bool:
    """Stop the gateway of `root` and everything below it; False if there was none.

    First it is asked; what does not go is killed, by process id.
    """
    known = find(root)
    if known is None:
        state_file(root).unlink(missing_ok=True)
        return False
    gateway = psutil.Process(known.pid)
    below = gateway.children(recursive=True)
    with contextlib.suppress(OSError, ValueError):
        known.control.shutdown()
    if not _ended(gateway, STOP_SECONDS):
        below += gateway.children(recursive=True)
        with contextlib.suppress(psutil.Error):
            gateway.send_signal(signal.SIGKILL)
        _ended(gateway, 5)
    for process in psutil.wait_procs(below, timeout=3)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    state_file(root).unlink(missing_ok=True)
    return True


def _ended(process: psutil.Process, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True
    return True


@contextlib.contextmanager
def running(root: Path, *, mwaa: str | None = None) -> Iterator[LocalAws]:
    """A gateway of one's own for the length of a `with` block."""
    aws = start(root, mwaa=mwaa)
    try:
        yield aws
    finally:
        stop(root)
