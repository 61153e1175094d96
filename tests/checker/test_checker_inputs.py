"""What the checker is told, and by whose clock."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from tests.checker.inputs import Inputs
from tests.checker.story import at, perfect

TOLD = ("outage_at", "promoted_at", "owed_until")


def loaded(folder: Path, **more: float) -> Inputs:
    inputs = perfect().inputs
    manifest = {"snapshot": inputs.snapshot, "snapshot_at": inputs.snapshot_at.isoformat()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "workload.json").write_text(json.dumps(inputs.workload))
    back = {name: at(5).isoformat() for name in (
        "lost_at", "returned_at", "heartbeat_at", "fenced_at")}  # fmt: skip
    told = {
        "ledger": str(folder / "ledger.jsonl"),
        "workload": str(folder / "workload.json"),
        "manifest": str(folder / "manifest.json"),
        **{site: asdict(getattr(inputs, site)) for site in ("source", "restored")},
        "backup_interval": inputs.backup_interval,
        **{name: getattr(inputs, name).isoformat() for name in TOLD},
        "back": {**back, "listed": [], "allowed_seconds": 90},
        **more,
    }
    (folder / "inputs.json").write_text(json.dumps(told))
    return Inputs.load(folder / "inputs.json")


def test_what_others_saw_is_told_as_the_environments_clocks_showed_it(tmp_path: Path) -> None:
    right, ahead = loaded(tmp_path), loaded(tmp_path, airflow_ahead=-120)
    shift = timedelta(seconds=-120)
    assert {getattr(ahead, name) - getattr(right, name) for name in TOLD} == {shift}
    assert right.back is not None
    assert ahead.back is not None
    assert ahead.back.fenced_at == right.back.fenced_at + shift
    assert ahead.snapshot_at == right.snapshot_at, "the database's own clock is the same one"
    assert (right.ahead, ahead.ahead) == (timedelta(0), shift)
