"""Processes whose clock is wrong: the local AWS can run functions and environments under one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest

from local import postgres
from local.clocks import RIGHT, Clocks, sweep, variables
from local.gateway import process
from tests.gateway.conftest import Aws

ASK = "import time; print(time.time(), time.monotonic())"


def shown(ahead: float) -> tuple[float, float]:
    """A process's clock and its monotonic one, each less our own."""
    before = time.time(), time.monotonic()
    out = subprocess.check_output([sys.executable, "-c", ASK], env=variables(ahead), text=True)
    return tuple(float(one) - ours for one, ours in zip(out.split(), before, strict=True))


@pytest.mark.parametrize("ahead", [-120, 0, 120.5])
def test_a_process_believes_its_clock_and_waits_as_long_as_ever(ahead: float) -> None:
    told, waited = shown(ahead)
    assert told == pytest.approx(ahead, abs=10)
    assert 0 <= waited < 10


def test_apart_means_on_both_sides_of_the_right_time() -> None:
    assert Clocks.apart(120) == Clocks(functions=-120, airflow=120)
    assert Clocks.apart(0) == RIGHT
    Clocks.apart(-120).check()


def test_a_clock_that_stays_right_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.clocks.LIBRARY", "not-there.so")
    with pytest.raises(RuntimeError, match=r"asked for, a process shows [+-]0 s"):
        Clocks.apart(120).check()


def test_what_killed_processes_left_in_memory_goes_and_no_more(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid in (gone.pid, os.getpid()):
        for name in (f"sem.faketime_sem_{pid}", f"faketime_shm_{pid}"):
            (tmp_path / name).touch()
    (tmp_path / f"PostgreSQL.{gone.pid}").touch()
    sweep(tmp_path)
    kept = [f"PostgreSQL.{gone.pid}", f"faketime_shm_{os.getpid()}"]
    kept.append(f"sem.faketime_sem_{os.getpid()}")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.engine
def test_a_database_and_a_function_go_by_the_clocks_they_were_given(tmp_path: Path) -> None:
    cluster = postgres.start(tmp_path / "pg", ahead=120)
    try:
        connection: psycopg2.extensions.connection = cluster.connect()
        cursor = connection.cursor()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        (told,) = cursor.fetchone() or (0,)
        connection.close()
    finally:
        cluster.destroy()
    assert float(told) - time.time() == pytest.approx(120, abs=10)
    source = """
import time
def handler(event, context):
    return {"at": time.time(), "left": context.get_remaining_time_in_millis()}
"""
    aws = Aws(process.start(tmp_path / "aws", clocks=Clocks(functions=-120)))
    try:
        aws.role("test", [])
        found = process.find(tmp_path / "aws")
        assert found is not None
        assert found.clocks == Clocks(functions=-120)
        answer = aws.client("lambda").invoke(FunctionName=aws.function(source))
        value = json.loads(answer["Payload"].read())
    finally:
        process.stop(tmp_path / "aws")
    assert value["at"] - time.time() == pytest.approx(-120, abs=10)
    assert 5000 < value["left"] <= 10_000
