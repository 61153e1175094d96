"""What the last update deployed is read from the state, also while it is being written."""

from types import SimpleNamespace

import pytest

from components import switching


class Engine:
    """Answers like the engine's own function; the state is unreadable for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
        self.failures, self.asked = failures, []
        monkeypatch.setattr(switching.pulumi.runtime, "invoke", self.invoke)
        monkeypatch.setattr(switching.time, "sleep", lambda _: None)
        monkeypatch.setattr(switching.pulumi, "get_organization", lambda: "organization")
        monkeypatch.setattr(switching.pulumi, "get_project", lambda: "mwaa-dr")
        monkeypatch.setattr(switching.pulumi, "get_stack", lambda: "dr")

    def invoke(self, token, arguments):
        self.asked.append((token, arguments["name"]))
        if len(self.asked) <= self.failures:
            raise RuntimeError("failed to load checkpoint: EOF")
        return SimpleNamespace(value={"outputs": {"strategy": "active-passive"}})


def test_a_state_that_is_just_being_written_is_read_again(monkeypatch):
    engine = Engine(monkeypatch, failures=2)
    assert switching._outputs_of_last_update() == {"strategy": "active-passive"}
    assert engine.asked == [("pulumi:pulumi:readStackOutputs", "organization/mwaa-dr/dr")] * 3


def test_a_state_that_stays_unreadable_stops_the_update(monkeypatch):
    engine = Engine(monkeypatch, failures=99)
    with pytest.raises(RuntimeError, match="EOF"):
        switching._outputs_of_last_update()
    assert len(engine.asked) == switching.ATTEMPTS
