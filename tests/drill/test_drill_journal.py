"""The drill says what it does while it does it, and what is missing when it cannot go on."""

import io
import json

import pytest
from rich.console import Console

from local.drill import waiting
from local.drill.journal import Journal, now
from local.drill.progress import Progress
from local.drill.waiting import DrillError, wait_until


def test_without_a_terminal_every_step_is_a_line():
    text = io.StringIO()
    journal = Journal("a drill", Console(file=text))
    with journal.showing():
        with journal.step("one thing"):
            pass
        journal.add("another", now(), now())
        with pytest.raises(ValueError, match="no"), journal.step("a third"):
            raise ValueError("no")
    assert [line[14:].strip() for line in text.getvalue().splitlines()] == [
        "one thing", "another", "a third  FAILED",
    ]  # fmt: skip


def test_on_a_terminal_the_steps_are_a_table():
    text = io.StringIO()
    journal = Journal("a drill", Console(file=text, force_terminal=True, width=100))
    with journal.showing(), journal.step("one thing"):
        journal.status("half way")
    shown = text.getvalue()
    assert all(word in shown for word in ("a drill", "one thing", "half way"))


def test_a_wait_ends_with_what_is_missing(monkeypatch):
    monkeypatch.setattr(waiting.Patience, "factor", 2.0)
    with pytest.raises(DrillError, match=r"within 0 s .* that it rained. missing: clouds"):
        wait_until("it rained", lambda: False, seconds=0.01, every=0.01,
                   missing=lambda: "missing: clouds")  # fmt: skip


def test_a_wait_ends_as_soon_as_it_is_done():
    turns = iter([False, False, True])
    wait_until("it rained", lambda: next(turns), seconds=5, every=0)
    assert list(turns) == []


def _line(dag_id, *, event="success", run_type="scheduled"):
    entry = {"environment": "here", "event": event, "dag_id": dag_id, "run_type": run_type}
    return (json.dumps({**entry, "at": now().isoformat()}) + "\n").encode()


def test_progress_leaves_a_line_alone_until_it_is_whole(tmp_path):
    ledger = tmp_path / "ledger"
    progress = Progress(ledger)
    progress.read()
    whole, half = _line("a") + _line("b", event="start"), _line("c", run_type="manual")
    ledger.write_bytes(whole + half[:20])
    progress.read()
    assert dict(progress.succeeded) == {"here": {"a"}}
    ledger.write_bytes(whole + half)
    progress.read()
    assert progress.succeeded["here"] == {"a", "c"}
    assert progress.scheduled["here"] == {"a"}
    assert progress.lines["here"] == 3
