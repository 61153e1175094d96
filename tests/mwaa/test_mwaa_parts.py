"""The small pure parts: metrics, sync, commands of the CLI endpoint, tokens, restarts."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from local import leash
from local.mwaa import cli, metrics, supervised, sync
from local.mwaa.container import ScriptError, Spec, run_script
from local.mwaa.install import RELEASES
from local.mwaa.supervised import Supervised
from local.ports import HIGHEST, LOWEST, free_port

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def flushed(*packets: bytes) -> dict[str, float]:
    aggregator = metrics.Aggregator()
    for packet in packets:
        aggregator.add(packet)
    return {point["MetricName"]: point["Value"] for point in aggregator.flush("env", NOW)}


def test_counters_are_summed_and_the_last_gauge_is_kept() -> None:
    assert flushed(
        b"airflow.scheduler_heartbeat:1|c",
        b"airflow.scheduler_heartbeat:1|c\nairflow.executor.open_slots:4|g",
        b"airflow.executor.open_slots:3|g",
        b"airflow.executor.open_slots:+2|g",
    ) == {"SchedulerHeartbeat": 2.0, "OpenSlots": 5.0}


@pytest.mark.parametrize(
    "packet", [b"", b"airflow.other:1|c", b"airflow.dagbag_size:x|g", b"\xff", b"dagbag_size:1|ms"]
)
def test_other_and_broken_packets_are_ignored(packet: bytes) -> None:
    assert flushed(packet) == {}


def test_silent_metric_gives_no_data_point() -> None:
    aggregator = metrics.Aggregator()
    aggregator.add(b"airflow.scheduler_heartbeat:1|c")
    first = aggregator.flush("env", NOW)
    assert first[0]["Dimensions"] == [
        {"Name": "Function", "Value": "Scheduler"},
        {"Name": "Environment", "Value": "env"},
    ]
    assert aggregator.flush("env", NOW) == []


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("dags/a.py", "a.py"),
        ("dags/team/a.py", "team/a.py"),
        ("dags/team/", None),
        ("dags/", None),
        ("dags/../a.py", None),
        ("dags//etc/passwd", None),
    ],
)
def test_objects_land_inside_the_folder_only(key: str, path: str | None) -> None:
    assert sync.relative_path(key, "dags/") == path


class Bucket:
    """Just enough of an S3 client, in memory; the real one is used in the environment's tests."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.gets = 0

    def get_paginator(self, _: str) -> Any:
        def paginate(Bucket: str, Prefix: str) -> list[dict]:  # noqa: N803
            assert Bucket == "bucket"
            found = [key for key in self.objects if key.startswith(Prefix)]
            return [
                {"Contents": [{"Key": key, "ETag": str(hash(self.objects[key]))}]} for key in found
            ]

        return SimpleNamespace(paginate=paginate)

    def get_object(self, Bucket: str, Key: str) -> dict:  # noqa: N803
        assert Bucket == "bucket"
        self.gets += 1
        return {"Body": SimpleNamespace(read=lambda: self.objects[Key])}


def test_folder_follows_the_bucket_and_fetches_only_changes(tmp_path: Path) -> None:
    bucket = Bucket({"dags/a.py": b"a", "dags/x/b.py": b"b", "other/c.py": b"c"})
    (tmp_path / "left-over.py").write_text("from an earlier container")
    folder = sync.Folder(bucket, "bucket", "dags/", tmp_path)

    assert folder.pull() == 3
    assert folder.pull() == 0
    assert bucket.gets == 2
    bucket.objects["dags/a.py"] = b"a2"
    del bucket.objects["dags/x/b.py"]
    assert folder.pull() == 2

    assert {str(item.relative_to(tmp_path)) for item in tmp_path.rglob("*")} == {"a.py"}
    assert (tmp_path / "a.py").read_bytes() == b"a2"


@pytest.mark.parametrize(
    ("version", "command", "runs"),
    [
        ("2.10.3", "dags list", True),
        ("2.10.3", "dags backfill x", True),
        ("3.0.6", "dags backfill x", False),
        ("3.0.6", "backfill create", True),
        ("2.10.3", "assets list", False),
        ("2.10.3", "version", True),
        ("2.10.3", "providers list", True),
        ("2.10.3", "connections export -", False),
        ("2.10.3", "connections list", False),
        ("2.10.3", "variables export x", False),
        ("2.10.3", "pools list", False),
        ("2.10.3", "db migrate", False),
        ("2.10.3", "", False),
    ],
)
def test_cli_endpoint_knows_the_supported_commands(version: str, command: str, runs: bool) -> None:
    assert cli.allowed(version, command.split()) is runs


def test_token_is_good_for_a_minute_only() -> None:
    clock = [0.0]
    tokens = cli.Tokens(now=lambda: clock[0])
    environment: Any = object()
    token = tokens.issue(environment)
    assert tokens.environment(token) is environment
    assert tokens.environment("other") is None
    clock[0] = cli.TOKEN_SECONDS + 1
    assert tokens.environment(token) is None


def script(tmp_path: Path, text: str, limit: float = 10) -> dict[str, str]:
    file = tmp_path / "startup.sh"
    file.write_text(text)
    env = {"PATH": os.environ["PATH"], "GIVEN": "before"}
    return run_script(file, env, tmp_path, tmp_path / "output.log", limit)


@pytest.mark.parametrize("end", ["", "exit 0", "set -e\ntrue"])
def test_exports_of_the_startup_script_are_kept(tmp_path: Path, end: str) -> None:
    text = f"export ADDED='two\nlines' GIVEN=after\nPRIVATE=1\necho said\n{end}"

    assert script(tmp_path, text) == {"ADDED": "two\nlines", "GIVEN": "after"}
    assert (tmp_path / "output.log").read_text() == "said\n"


@pytest.mark.parametrize("text", ["echo why; exit 3", "set -e\necho why\nfalse\ntrue"])
def test_failing_startup_script_is_told_with_its_output(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScriptError, match=r"ended with code \d; its output ends: why"):
        script(tmp_path, text)


def test_startup_script_has_a_time_limit(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"did not end within 0.3 seconds"):
        script(tmp_path, "sleep 60", 0.3)


TREE = """
import os, subprocess, sys, time
grandchild = "import os, time; os.setsid(); time.sleep(60)"
child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}])"
subprocess.run([sys.executable, "-c", child])
print("ready", flush=True)
time.sleep(60)
"""
"""Its grandchild has lost its parent and is in a session of its own."""


def held_tree() -> "subprocess.Popen[bytes]":
    held = leash.start(
        [sys.executable, "-c", TREE],
        env={"PATH": os.environ["PATH"]},
        cwd=Path.cwd(),
        output=subprocess.PIPE,
    )
    assert held.stdout
    assert held.stdout.readline() == b"ready\n"
    return held


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are followed on Linux only")
def test_released_leash_leaves_nothing_of_the_tree() -> None:
    held = held_tree()
    below = leash.tree(held.pid)
    assert len(below) == 3
    leash.release(held)
    assert not [item for item in below if leash.living(item)]


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are followed on Linux only")
def test_tree_ends_when_its_holder_is_killed() -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; sys.path[:0] = ['.', 'tests/mwaa']; import test_mwaa_parts as parts, time;"
            "held = parts.held_tree(); print(held.pid, flush=True); time.sleep(60)",
        ],
        cwd=leash.ROOT,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    below = leash.tree(int(holder.stdout.readline()))
    assert len(below) == 3
    holder.kill()
    holder.wait()
    _, alive = psutil.wait_procs(below, timeout=5)
    assert not [item for item in alive if leash.living(item)]


def test_leash_ends_with_what_it_holds() -> None:
    held = leash.start(
        [sys.executable, "-c", "raise SystemExit(7)"],
        env={"PATH": os.environ["PATH"]},
        cwd=Path.cwd(),
    )
    assert held.wait(10) == 7


def test_container_is_started_again_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "pause", lambda _: 0.01)
    events: list[dict] = []

    def launch() -> "subprocess.Popen[bytes]":
        return leash.start(
            ["/bin/sh", "-c", 'echo "{\\"event\\": \\"up\\"}"; [ -e stay ] && sleep 60'],
            env={"PATH": os.environ["PATH"]},
            cwd=tmp_path,
            output=subprocess.PIPE,
        )

    part = Supervised("part", launch, tmp_path / "pid", events.append)
    part.start()
    deadline = time.monotonic() + 10
    while part.restarts < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    (tmp_path / "stay").touch()
    while (part.pid is None or len(events) <= part.restarts) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(events) >= 3
    below = leash.tree(int((tmp_path / "pid").read_text()))
    assert below
    part.stop()
    assert part.pid is None
    assert not [item for item in below if leash.living(item)]


def held_container(
    tmp_path: Path, processes: dict[str, list[str]], startup: str = ""
) -> "subprocess.Popen[bytes]":
    script = tmp_path / "startup.sh"
    script.write_text(startup)
    spec = Spec(
        component="scheduler",
        processes=processes,
        below={"PATH": os.environ["PATH"], "LOW": "below", "MIDDLE": "below"},
        above={"HIGH": "above"},
        home=str(tmp_path),
        logs=str(tmp_path / "logs"),
        script=str(script) if startup else "",
    )
    (tmp_path / "spec.json").write_text(spec.to_json())
    return leash.hold(
        ["local.mwaa.container", str(tmp_path / "spec.json")],
        env={"PATH": os.environ["PATH"]},
        output=subprocess.PIPE,
    )


def next_event(held: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert held.stdout
    return json.loads(held.stdout.readline())


def test_container_runs_the_script_first_and_ends_when_a_process_does(tmp_path: Path) -> None:
    waiting = "until [ -s logs/scheduler.log ]; do sleep 0.05; done; exit 1"
    held = held_container(
        tmp_path,
        {
            "scheduler": ["sh", "-c", "echo $LOW $MIDDLE $HIGH; sleep 60"],
            "triggerer": ["sh", "-c", waiting],
        },
        "export MIDDLE=script HIGH=script; sleep 50 &",
    )
    assert next_event(held)["event"] == "script-done"
    assert [next_event(held)["name"] for _ in range(2)] == ["scheduler", "triggerer"]
    below = leash.tree(held.pid)
    assert next_event(held) == {"event": "ended", "name": "triggerer", "code": 1}

    assert held.wait(10) == 1
    assert not [item for item in below if leash.living(item)]
    assert (tmp_path / "logs/scheduler.log").read_text() == "below script above\n"


def test_container_whose_script_fails_starts_nothing(tmp_path: Path) -> None:
    held = held_container(tmp_path, {"scheduler": ["touch", "started"]}, "echo no; exit 4")
    event = next_event(held)

    assert event["event"] == "script-failed"
    assert "code 4; its output ends: no" in event["message"]
    assert held.wait(10) == 1
    assert not (tmp_path / "started").exists()


def test_released_container_leaves_nothing(tmp_path: Path) -> None:
    held = held_container(tmp_path, {"scheduler": ["sleep", "60"], "triggerer": ["sleep", "60"]})
    for _ in range(3):
        next_event(held)
    below = leash.tree(held.pid)
    assert len(below) == 3
    leash.release(held)
    assert not [item for item in below if leash.living(item)]


def test_pause_between_restarts_grows_to_a_minute() -> None:
    assert [supervised.pause(count) for count in (1, 2, 3, 10)] == [1, 2, 4, 60]


def test_free_port_is_out_of_the_way_of_outgoing_connections() -> None:
    assert LOWEST <= free_port() < HIGHEST


def test_releases_are_in_order() -> None:
    """The newest is the default version, and an update may only go forward."""
    numbers = [tuple(map(int, version.split("."))) for version in RELEASES]
    assert numbers == sorted(numbers)
