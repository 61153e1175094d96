"""Ends a whole tree of processes when the process that asked for it ends.

`start` runs this module as a child whose standard input is a pipe that the caller holds. When the
pipe closes, because the caller stopped the tree or died in whatever way, every process below is
killed. On Linux the child is also made a subreaper, so that a process whose own parent died still
belongs to the tree: Airflow's workers and tasks make process groups of their own, and killing a
group would miss them.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parent.parent
PR_SET_CHILD_SUBREAPER = 36
"""From Linux's `prctl.h`."""

_HELD: "set[subprocess.Popen[bytes]]" = set()
"""Keeps the pipes open even when the caller forgets what it started."""


def become_reaper() -> None:
    """Adopt orphaned descendants. Elsewhere than on Linux orphans are not followed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def living(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def tree(pid: int) -> list[psutil.Process]:
    """The process and all below it that live."""
    try:
        root = psutil.Process(pid)
        return [item for item in (root, *root.children(recursive=True)) if living(item)]
    except psutil.Error:
        return []


def kill_descendants() -> None:
    """Kill everything below this process, and what is forked meanwhile, until nothing lives."""
    while below := tree(os.getpid())[1:]:
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.01)


def kill_tree(pid: int) -> None:
    """Kill a process that is not ours to ask, then everything that was below it."""
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            process.kill()


def on_release(action: Callable[[], None]) -> None:
    """Call `action` in a thread when the holder of our standard input closes it."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        action()

    threading.Thread(target=wait, daemon=True, name="leash").start()


def wait_any(children: Mapping[int, str]) -> tuple[str, int]:
    """Reap whatever dies until one of `children` (name by pid) does; its name and exit code."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid in children:
            return children[pid], os.waitstatus_to_exitcode(status)


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: int | IO[bytes] = subprocess.DEVNULL,
    errors: int | IO[bytes] = subprocess.STDOUT,
    stop_signal: int = 0,
    user: str | None = None,
) -> "subprocess.Popen[bytes]":
    """Run `argv` so that it and all below it die when the returned process's stdin is closed.

    Args:
        stop_signal: sent to `argv` first when the leash is released; it then has two seconds.
        user: run `argv` as this user (the caller must be root).
    """
    settings = [str(stop_signal), user or "", str(cwd), *map(str, argv)]
    return hold(["local.leash", *settings], env=env, output=output, errors=errors)


def hold(
    module: Sequence[str],
    *,
    env: Mapping[str, str],
    output: int | IO[bytes] = subprocess.DEVNULL,
    errors: int | IO[bytes] = subprocess.STDOUT,
) -> "subprocess.Popen[bytes]":
    """Run one of our own modules that itself calls `on_release`; arguments follow its name."""
    held = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )
    _HELD.add(held)
    return held


def release(held: "subprocess.Popen[bytes]", seconds: float = 5) -> None:
    """End a tree made by `start` or `hold` and wait for it."""
    _HELD.discard(held)
    if held.stdin is not None:
        with contextlib.suppress(OSError):
            held.stdin.close()
    try:
        held.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_tree(held.pid)
        held.wait()


def main() -> None:
    stop_signal, user, cwd, *argv = sys.argv[1:]
    become_reaper()
    child = subprocess.Popen(
        argv, cwd=cwd, user=user or None, stdin=subprocess.DEVNULL, start_new_session=True
    )

    def end() -> None:
        if int(stop_signal):
            with contextlib.suppress(OSError):
                child.send_signal(int(stop_signal))
            deadline = time.monotonic() + 2
            while living(psutil.Process(child.pid)) and time.monotonic() < deadline:
                time.sleep(0.02)
        kill_descendants()
        os._exit(0)

    on_release(end)
    _, code = wait_any({child.pid: "child"})
    kill_descendants()
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
