"""The composed startup script, run by a real shell with a stand-in for the environment's Python."""

import base64
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from handlers.core.startup import compose

DAGS = ["sales", "stock", "mwaa_dr_agent", "sales"]


def run(script: bytes, folder: Path, python: str, **environ: str) -> subprocess.CompletedProcess:
    """Run a startup script with `python3` being a shell script of the test's."""
    tools = folder / "bin"
    tools.mkdir()
    (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
    (tools / "python3").chmod(0o755)
    file = folder / "startup.sh"
    file.write_bytes(script)
    path = f"{tools}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", file], env={"PATH": path, **environ}, capture_output=True, text=True, check=False
    )


def payload(script: bytes) -> list[str]:
    packed = re.search(rb"^main\('([^']+)'\)$", script, re.MULTILINE)
    assert packed is not None
    return json.loads(zlib.decompress(base64.b64decode(packed[1])))


def test_the_script_names_every_dag_but_our_own() -> None:
    assert payload(compose(DAGS, b"")) == ["sales", "stock"]


def test_the_users_script_runs_after_the_guard_and_keeps_its_status(tmp_path: Path) -> None:
    script = compose(DAGS, b"export A=1\necho mine $A\nexit 7\n")
    done = run(script, tmp_path, 'cat > "$OUT"; echo guard', OUT=str(tmp_path / "seen"))
    assert done.stdout.splitlines() == ["guard", "mine 1"]
    assert done.returncode == 7
    assert "def main(payload" in (tmp_path / "seen").read_text()


@pytest.mark.parametrize("python", ["exit 3", "kill -9 $$"])
def test_a_guard_that_fails_does_not_stop_the_users_script(tmp_path: Path, python: str) -> None:
    done = run(compose(DAGS, b"set -e\necho mine\n"), tmp_path, python)
    assert "mwaa-dr guard: it ended with status" in done.stdout
    assert done.stdout.endswith("mine\n")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("component", "runs"),
    [("scheduler", True), ("hybrid", True), ("", True), ("worker", False), ("webserver", False)],
)
def test_only_a_scheduler_is_guarded(tmp_path: Path, component: str, runs: bool) -> None:
    done = run(compose(DAGS, b""), tmp_path, "echo guard", MWAA_AIRFLOW_COMPONENT=component)
    assert done.stdout == ("guard\n" if runs else "")


def test_without_airflow_the_guard_says_so_and_goes_on(tmp_path: Path) -> None:
    done = run(compose(DAGS, b"echo mine\n"), tmp_path, f'exec "{sys.executable}" -I "$@"')
    assert "mwaa-dr guard: could not insert: ModuleNotFoundError" in done.stdout
    assert done.stdout.endswith("mine\n")


def test_the_users_script_is_not_changed_by_a_byte() -> None:
    users = b"#!/bin/bash -x\r\necho '$HOME' \xff\n"
    script = compose(DAGS, users)
    assert script.endswith(users)
    assert script.startswith(b"#!/bin/bash -x\r\n")


def test_thousands_of_dags_stay_small() -> None:
    script = compose([f"team_{n % 40}.pipeline_{n:05d}" for n in range(4000)], b"")
    assert len(script) < 40_000
