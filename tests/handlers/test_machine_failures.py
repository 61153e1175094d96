"""Every step of every course fails: once, for good, and after its work was done."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from contract.lifecycle import SiteState
from contract.machines import RECOVERY
from contract.orders import OrderKind
from contract.ownership import INITIAL, Ownership
from contract.sites import Site, Strategy
from tests.handlers.installation import CONFIG
from tests.handlers.machine_edges import definition
from tests.handlers.stage import InjectedError, ServiceError, Stage, TransientError

pytestmark = pytest.mark.engine

DR_OWNS = Ownership(Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", "", SiteState.FENCED)
PASSIVE = {"strategy": Strategy.ACTIVE_PASSIVE}
ASKS = {"recovery": replace(CONFIG.recovery, approval_seconds=600, proceed_unanswered=True)}
FAILING_DRAIN = {OrderKind.DRAIN: "OperationalError"}


@dataclass(frozen=True)
class Course:
    """One way through the recovery machine.

    Args:
        config: fields of the handlers' configuration.
        passive: sites whose environment is there.
        errors: orders that the owner's agent fails.
        moves: whether the target owns the next epoch in the end.
    """

    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    passive: tuple[Site, ...] = ()
    record: Ownership = INITIAL
    by: str = ""
    errors: dict[OrderKind, str] = field(default_factory=dict)
    moves: bool = True

    def prepare(self, stage: Stage) -> None:
        for site in self.passive:
            stage.environment(site)
        if self.record is not INITIAL:
            stage.own(self.record)
        stage.backup(60, site=self.record.owner, epoch=self.record.epoch)
        for kind, error in self.errors.items():
            stage.agents.on(kind, lambda _order, name=error: ({}, name), self.record.owner)

    def run(self, stage: Stage) -> str:
        return stage.recover(self.kind, **({"by": self.by} if self.by else {}))


COURSES = {
    "failover": Course("failover", ASKS),
    "planned": Course("planned-failover", PASSIVE, (Site.DR,), by="me"),
    "failback": Course("failback", {}, (Site.PRIMARY,), DR_OWNS, by="me"),
    "drill": Course("drill", by="me", moves=False),
    "undone": Course("planned-failover", PASSIVE, (Site.DR,), by="me", errors=FAILING_DRAIN,
                     moves=False),
}  # fmt: skip
STATES = definition(RECOVERY, Strategy.BACKUP_RESTORE)["States"]
TASKS = {name for name, body in STATES.items() if body["Type"] == "Task"}
RETRIED = {name for name in TASKS if STATES[name]["Retry"][0]["MaxAttempts"]}


def with_course(stage: str = "stage") -> Callable[[Any], Any]:
    return pytest.mark.parametrize(
        (stage, "course"),
        [(course.config, course) for course in COURSES.values()],
        indirect=[stage],
        ids=list(COURSES),
    )


SENT = {
    "failover": ["pause", "export", "import", "unpause", "import"],
    "planned": ["pause", "drain", "export", "import", "unpause"],
    "failback": ["export", "import", "pause", "drain", "export", "import", "unpause"],
    "drill": ["import"],
    "undone": ["pause", "drain", "unpause"],
}
"""What the agents are told to do, whatever fails on the way, exactly once."""


def sent(course: Course) -> list[str]:
    return SENT[next(name for name, one in COURSES.items() if one is course)]


def closes(stage: Stage, course: Course) -> None:
    """It went as if nothing had failed."""
    assert stage.agents.kinds() == sent(course)
    record = stage.ownership
    assert record.epoch == course.record.epoch + course.moves
    assert record.state is SiteState.ACTIVE
    assert stage.incident()["status"] == ("failed" if course.errors else "succeeded")


@with_course()
@pytest.mark.parametrize("how", ["refused", "lost", "throttled"])
def test_each_step_may_fail_once(stage: Stage, course: Course, how: str) -> None:
    course.prepare(stage)
    stage.agents.slow = 10
    if how == "lost":
        stage.lost = {name: TransientError("its answer was lost") for name in RETRIED}
    elif how == "throttled":
        error = ServiceError("TooManyRequestsException", "Rate exceeded")
        stage.faults = {name: [error] for name in RETRIED}
    else:
        stage.faults = {name: [TransientError("not now")] for name in RETRIED}
    course.run(stage)
    closes(stage, course)
    steps = stage.steps()
    assert len(steps) == len(set(steps)), "a step stands in the timeline once"


def reached(course: Course) -> set[str]:
    """Tasks on the way of a course, from what it does."""
    ways = {
        "failover": {"Approval", "CreateEnvironment", "History", "HistoryStatus"},
        "planned": {"Drain", "DrainStatus"},
        "failback": {"MarkReconciling", "ExportDivergence", "ExportDivergenceStatus", "Reconcile",
                     "ReconcileStatus", "MarkReconciled"},
        "drill": {"CleanUp"},
        "undone": {"UndoFence", "UndoFenceStatus", "CloseFailed"},
    }  # fmt: skip
    shared = {"ChooseBackup", "EnvironmentStatus", "Fence", "FenceStatus", "FinalExport",
              "FinalExportStatus", "Restore", "RestoreStatus", "Promote", "Unpause",
              "UnpauseStatus", "PromoteFinish", "CloseSucceeded"}  # fmt: skip
    name = next(name for name, one in COURSES.items() if one is course)
    return ways[name] | (shared if name in ("failover", "planned") else set())


CASES = [
    pytest.param(course.config, course, task, id=f"{name}-{task}")
    for name, course in COURSES.items()
    for task in sorted(reached(course))
]
RECORDS = sorted(name for name in TASKS if name.startswith("Record"))
UNDOING = {"UndoFence", "UndoFenceStatus"}


@pytest.mark.parametrize(("stage", "course", "task"), CASES, indirect=["stage"])
def test_a_step_that_fails_for_good_leaves_exactly_one_owner_at_work(
    stage: Stage, course: Course, task: str
) -> None:
    course.prepare(stage)
    stage.faults[task] = [InjectedError(f"{task} is broken")] * 50
    status = course.run(stage)
    incident, record, owner = stage.incident(), stage.ownership, course.record.owner
    if task in ("CloseSucceeded", "CloseFailed"):
        assert incident["status"] == "open"
        assert stage.story(stage.execution)[-1] == "NotClosed"
        return
    if incident["status"] == "succeeded":
        assert task in {"Fence", "FenceStatus", "FinalExport", "FinalExportStatus"}
        assert course.kind == "failover"
        assert record.epoch == course.record.epoch + 1
        return
    assert status == "FAILED"
    why = incident["reason"]
    assert f"InjectedError: {task} is broken" in why or task in UNDOING
    if incident["status"] == "attention":
        assert STATES[task]["Catch"][-1]["Next"] in ("CloseAttention", "UnpauseAgain")
        assert record.epoch == course.record.epoch + 1
        assert (record.owner, record.incident_id) == (owner.other, stage.incident_id)
        return
    assert (record.owner, record.epoch) == (owner, course.record.epoch)
    assert record.state is SiteState.ACTIVE
    told = stage.agents.kinds(owner)
    if "pause" in told and task not in UNDOING:
        assert told[-1] == "unpause", "what was fenced runs again"
    if task in UNDOING:
        assert "look there" in why


@with_course()
def test_a_timeline_that_cannot_be_written_stops_no_course(stage: Stage, course: Course) -> None:
    course.prepare(stage)
    stage.faults = {name: [InjectedError("no timeline")] * 9 for name in RECORDS}
    course.run(stage)
    closes(stage, course)


RARE = {"RecordNotFenced", "RecordNoFinalExport", "RecordRefused", "CheckPromoted", "PromoteAgain",
        "CloseAttention"}  # fmt: skip
"""Steps that only a recovery enters in which a good deal goes wrong anyway."""


@pytest.mark.parametrize("stage", [PASSIVE], indirect=True, ids=["passive"])
@pytest.mark.parametrize("silent", [False, True], ids=["answers", "silent"])
@pytest.mark.parametrize("how", ["once", "for-good"])
def test_steps_that_only_bad_recoveries_enter_may_fail_too(
    stage: Stage, silent: bool, how: str
) -> None:
    stage.environment(Site.DR)
    older, newest = stage.backup(300), stage.backup(60)
    stage.agents.silent = {Site.PRIMARY} if silent else set()
    stage.agents.on(OrderKind.EXPORT, lambda _: ({}, "OperationalError"))
    stage.agents.on(OrderKind.UNPAUSE, lambda _: ({}, "OperationalError"))
    stage.agents.on(
        OrderKind.IMPORT,
        lambda order: ({}, "BackupRefusedError" if order.payload["backup"] == newest else ""),
    )
    stage.lost["Promote"] = InjectedError("its answer was lost")
    if how == "once":
        stage.faults = {name: [TransientError("not now")] for name in RARE}
    else:
        records = RARE - {"CheckPromoted", "PromoteAgain", "CloseAttention"}
        stage.faults = {name: [InjectedError("no timeline")] for name in records}
    assert stage.recover() == "FAILED"
    begun = [] if silent else ["pause", "export"]
    assert stage.agents.kinds() == [*begun, "import", "import", *["unpause"] * 3]
    assert stage.agents.done[-1].payload["backup"] == older
    assert stage.incident()["status"] == "attention"
    assert (stage.ownership.owner, stage.ownership.state) == (Site.DR, SiteState.PROMOTING)


PLANNED = pytest.mark.parametrize(
    ("stage", "course"), [(PASSIVE, COURSES["planned"])], indirect=["stage"], ids=["planned"]
)


@PLANNED
def test_a_promotion_whose_answer_is_lost_goes_forward(stage: Stage, course: Course) -> None:
    course.prepare(stage)
    stage.lost["Promote"] = InjectedError("its answer was lost")
    assert course.run(stage) == "SUCCEEDED"
    closes(stage, course)
    story = stage.story(stage.execution)
    assert "PromoteAgain" in story
    assert "Undo" not in story


@PLANNED
@pytest.mark.parametrize("task", ["CheckPromoted", "PromoteAgain"])
def test_a_promotion_that_nobody_can_look_at_needs_a_person(
    stage: Stage, course: Course, task: str
) -> None:
    course.prepare(stage)
    stage.lost["Promote"] = InjectedError("its answer was lost")
    stage.faults[task] = [InjectedError(f"{task} is broken")]
    assert course.run(stage) == "FAILED"
    assert stage.incident()["status"] == "attention"
    assert f"{task} is broken" in stage.incident()["reason"]
    assert stage.ownership.owner is Site.DR
    assert "unpause" not in stage.agents.kinds()


@PLANNED
def test_attention_that_cannot_be_written_leaves_the_incident_to_its_lease(
    stage: Stage, course: Course
) -> None:
    course.prepare(stage)
    stage.faults = {name: [InjectedError("no")] * 9 for name in ("PromoteFinish", "CloseAttention")}
    assert course.run(stage) == "FAILED"
    assert stage.story(stage.execution)[-1] == "NotClosed"
    assert stage.incident()["status"] == "open"


@PLANNED
def test_a_pause_whose_write_seemed_to_fail_is_undone_all_the_same(
    stage: Stage, course: Course
) -> None:
    course.prepare(stage)
    stage.lost["Fence"] = InjectedError("its answer was lost")
    assert course.run(stage) == "FAILED"
    assert stage.agents.kinds() == ["pause", "unpause"]
    assert stage.ownership.epoch == 1


@PLANNED
def test_an_owner_that_never_confirmed_its_pause_has_nothing_to_undo(
    stage: Stage, course: Course
) -> None:
    course.prepare(stage)
    stage.agents.silent = {Site.PRIMARY}
    assert course.run(stage) == "FAILED"
    assert "no answer at all" in stage.incident()["reason"]
    assert stage.agents.kinds() == []


@pytest.mark.parametrize("times", [1, 2, 3])
def test_un_pausing_is_tried_three_times_and_never_goes_back(stage: Stage, times: int) -> None:
    COURSES["failover"].prepare(stage)
    counter = itertools.count()
    stage.agents.on(
        OrderKind.UNPAUSE, lambda _: ({}, "OperationalError" if next(counter) < times else "")
    )
    assert stage.recover() == ("SUCCEEDED" if times < 3 else "FAILED")
    assert stage.agents.kinds().count("unpause") == min(times + 1, 3)
    assert stage.ownership.owner is Site.DR
    assert stage.incident()["status"] == ("succeeded" if times < 3 else "attention")
