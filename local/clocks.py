"""Clocks that are wrong: what runs under one believes that it is earlier or later than it is.

The AWS and whoever examines it have the right time; functions and environments can have another.
libfaketime, loaded into a process, answers its questions for the time.
"""

import contextlib
import importlib.util
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"
SHARED = ("sem.faketime_sem_", "faketime_shm_")
"""What a process under libfaketime makes in shared memory; its id follows."""
CLOSE = 10.0
"""A process that was asked for its time answers within so many seconds."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds by which clocks in the local AWS are ahead; behind if negative.

    Args:
        functions: of the Lambda functions.
        airflow: of every environment: its containers and its database, since Airflow compares the
            times of both.
    """

    functions: float = 0.0
    airflow: float = 0.0

    @classmethod
    def apart(cls, seconds: float) -> "Clocks":
        """Airflow's ahead of the right time, the functions' behind it; the reverse if negative."""
        return cls(functions=-seconds, airflow=seconds)

    @property
    def of_airflow(self) -> timedelta:
        """What to add to a moment to have it as Airflow's clock shows it."""
        return timedelta(seconds=self.airflow)

    def check(self) -> None:
        """Raises RuntimeError where this machine can't set a process's clock apart."""
        for ahead in {self.functions, self.airflow} - {0.0}:
            shown = subprocess.run(
                [sys.executable, "-c", "import time; print(time.time())"],
                env=variables(ahead),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            found = float(shown) - time.time()
            if abs(found - ahead) > CLOSE:
                raise RuntimeError(
                    f"a clock {ahead:+g} s apart was asked for, a process shows {found:+.0f} s; "
                    "libfaketime works on Linux with x86-64 processors alone"
                )


RIGHT = Clocks()


def variables(ahead: float) -> dict[str, str]:
    """What a process's environment has to hold for its clock to be ahead by so many seconds.

    Raises:
        RuntimeError: libfaketime is not installed.
    """
    if not ahead:
        return {}
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        raise RuntimeError("libfaketime is not installed; run `make setup`")
    return {
        "LD_PRELOAD": str(Path(found.origin).parent / LIBRARY),
        "FAKETIME": f"{ahead:+g}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # time-outs and pauses stay what they are
    }


def sweep(memory: Path = Path("/dev/shm")) -> None:  # noqa: S108 -- where POSIX puts it on Linux
    """Remove what processes under libfaketime left in shared memory when they were killed."""
    for prefix in SHARED:
        for left in memory.glob(f"{prefix}*"):
            pid = left.name.removeprefix(prefix)
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                with contextlib.suppress(OSError):
                    left.unlink()
