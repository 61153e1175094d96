"""A container that is replaced when it ends, as MWAA replaces its containers."""

import contextlib
import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import leash

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
STEADY_SECONDS = 60.0
"""A container that ran so long starts again without a pause."""


def pause(failures: int) -> float:
    """Seconds before the next start after so many failures in a row: 1, 2, 4, ... 60."""
    return min(LONGEST_PAUSE, 2.0 ** (failures - 1))


class Supervised:
    """Keeps one held process alive until it is stopped.

    Args:
        name: for the log.
        launch: starts the process; its standard output, if piped, is lines of JSON events.
        on_event: called with each event, in the thread that reads them.
        pid_file: holds the pid while it runs.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[], "subprocess.Popen[bytes]"],
        pid_file: Path,
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._launch = launch
        self._on_event = on_event
        self._pid_file = pid_file
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True, name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it and all below it, for good."""
        with self._lock:
            self._stopped.set()
            process = self._process
        if process is not None:
            leash.release(process)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(10)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def _keep(self) -> None:
        failures = 0
        while True:
            with self._lock:
                if self._stopped.is_set():
                    return
                process = self._process = self._launch()
            self._pid_file.write_text(str(process.pid))
            started = time.monotonic()
            for line in process.stdout or ():
                with contextlib.suppress(ValueError):
                    self._on_event(json.loads(line))
            code = process.wait()
            if process.stdout:
                process.stdout.close()
            leash.release(process)
            if self._stopped.is_set():
                return
            failures = 1 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            self.restarts += 1
            log.warning(
                "%s ended with code %d; starting it again in %g s", self.name, code, pause(failures)
            )
            self._stopped.wait(pause(failures))
