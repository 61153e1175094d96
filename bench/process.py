"""Runs one timed operation in a process of its own and watches its memory."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from local.paths import ROOT

INTERVAL = 0.02
"""Seconds between looks at the peak memory of the process and its children."""


class OperationError(Exception):
    """A timed operation failed; the message ends with its output."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a timed operation said and how much memory it took.

    Args:
        said: the JSON it printed last, with `seconds` among it.
        peak_mib: the highest resident memory of its process, plus that of each child.
    """

    said: dict[str, Any]
    peak_mib: float

    @property
    def seconds(self) -> float:
        return float(self.said["seconds"])


def run(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Outcome:
    """Run `argv` to its end.

    Raises:
        OperationError: it failed.
    """
    child = start(argv, env)
    peaks: dict[int, int] = {}
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(child.pid, peaks, ended), daemon=True)
    watch.start()
    try:
        output, errors = child.communicate()
    finally:
        if child.poll() is None:  # this process is to end
            child.kill()
        ended.set()
        watch.join()
    said = document(output, errors, child.returncode)
    return Outcome(said, round(sum(peaks.values()) / 1024, 1))


def start(
    argv: Sequence[str | Path], env: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    """Start `argv` from the repository's root, its packages importable; finish it with `run`'s
    `document`."""
    return subprocess.Popen(
        [str(item) for item in argv],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'dags'}", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def document(output: str, errors: str, code: int) -> dict[str, Any]:
    """The JSON object on the last line of what an operation printed."""
    lines = output.strip().splitlines()
    if code or not lines:
        raise OperationError(f"it ended with {code}; its output ends: {(output + errors)[-3000:]}")
    return json.loads(lines[-1])


def _watch(pid: int, peaks: dict[int, int], ended: threading.Event) -> None:
    while not ended.wait(INTERVAL):
        try:
            root = psutil.Process(pid)
            below = [root, *root.children(recursive=True)]
        except psutil.Error:
            continue
        for process in below:
            peaks[process.pid] = max(peaks.get(process.pid, 0), peak_kib(process.pid))


def peak_kib(pid: int | str = "self") -> int:
    """`VmHWM`: the most memory a process ever had, whatever was looked at meanwhile."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")), 0)
