"""What a benchmark's figures depend on: the machine and the versions."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import peer
from bench.databases import VERSION, Server
from local.paths import ROOT


def gather(server: Server) -> dict[str, object]:
    """Facts of this run."""
    ((version,),) = server.rows("postgres", "SHOW server_version")
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "postgresql": version,
        "airflow": VERSION,
        "mwaa_dr": peer.PEER,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
    }


def rows(server: Server, database: str) -> dict[str, int]:
    """Rows by table, the largest first."""
    counts = server.rows(
        database,
        "SELECT relname, reltuples::int FROM pg_class WHERE relkind = 'r' AND reltuples > 0 "
        "AND relnamespace = 'public'::regnamespace ORDER BY reltuples DESC, relname",
    )
    return dict(counts)


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines()]
    lines = info.read_text().splitlines()
    return next(
        (name for line, name in zip(lines, names, strict=True) if line.startswith("model name")),
        platform.machine(),
    )
