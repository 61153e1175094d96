"""What the report says follows from the checker's findings and from nothing else."""

from datetime import datetime, timedelta

from contract.sites import Strategy
from local.drill import verdict
from local.drill.journal import Journal
from local.drill.recovery import Facts
from tests.drill.sample_report import OUTAGE


def _facts(creation=30):
    def at(seconds):
        return OUTAGE + timedelta(seconds=seconds)

    return Facts(
        outage_at=at(0),
        detected_at=at(50),
        environment_asked_at=at(55),
        environment_ready_at=at(55 + creation),
        restored_at=at(120),
        promoted_at=at(125),
        unpaused_at=at(133),
        backup="backups/x/manifest.json",
        owed_until=at(200),
    )


CREATED = Strategy.BACKUP_RESTORE


def _findings(**changes):
    return {
        "verified": True,
        "rto_seconds": {"p50": 150.0, "max": 170.0},
        "rpo_seconds": 20.0,
        "resumed_at": {"a": OUTAGE.isoformat()},
        "tables": [],
        "past": {},
        "runs": {
            "expected": ["a/1", "a/2"],
            "completed": ["a/1"],
            "lost": ["a/2"],
            "doubled": [],
            "at_risk": ["b/1"],
            "in_flight": [],
        },
        **changes,
    }


ALLOWED = verdict.permissions(
    {
        "calls": [
            {"caller": "a", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/x/*", "count": 2},
            {"caller": "a", "action": "s3:ListBucket", "resource": "arn:aws:s3:::b", "count": 3},
        ],
        "uses": [],
        "unused": [],
        "refused": [],
    }
)


def test_a_call_that_was_refused_spoils_a_drill_that_else_went_well():
    refusal = {"caller": "a", "action": "s3:PutObject", "message": "not authorized"}
    for refused, verified in (([], True), ([refusal], False)):
        report = verdict.compose(
            strategy=CREATED,
            airflow_version="2.10.3",
            outage="hang",
            facts=_facts(),
            journal=Journal("a drill"),
            findings=_findings(),
            forecast={},
            met=True,
            access={**ALLOWED, "refused": refused},
        )
        assert report["verified"] is verified
        assert report["access"] == {"calls": {"a": 5}, "refused": refused}


def test_promises_are_judged_by_the_time_aws_takes():
    assert verdict.objectives_met(_findings(), _facts(), CREATED, 1800)
    assert not verdict.objectives_met(_findings(), _facts(), CREATED, 3600)
    assert not verdict.objectives_met(_findings(rpo_seconds=121), _facts(), CREATED, 1800)
    assert not verdict.objectives_met(
        _findings(rto_seconds={"p50": 1.0, "max": 1900.0}), _facts(creation=30), CREATED, 1800
    )


def test_nothing_resumed_keeps_no_promise():
    nothing = _findings(rto_seconds={"p50": None, "max": None})
    assert not verdict.objectives_met(nothing, _facts(), CREATED, 0)


def test_the_report_repeats_the_findings():
    journal = Journal("a drill")
    with journal.step("a step"):
        pass
    report = verdict.compose(
        strategy=CREATED,
        airflow_version="2.10.3",
        outage="hang",
        facts=_facts(),
        journal=journal,
        findings=_findings(verified=False),
        forecast={"headline": "18 runs"},
        met=False,
        access=ALLOWED,
    )
    assert report["verified"] is False
    assert report["forecast"] == {"headline": "18 runs"}
    assert report["runs"] == {
        "expected": 2,
        "completed": 1,
        "lost": 1,
        "doubled": 0,
        "at_risk": ["b/1"],
        "in_flight": [],
    }
    (step,) = report["steps"]
    assert step["name"] == "a step"
    assert step["emulated"] is False
    assert datetime.fromisoformat(step["ended_at"]) >= datetime.fromisoformat(step["started_at"])


def test_an_environment_that_stands_by_adds_nothing():
    quick = _findings(rto_seconds={"p50": 100.0, "max": 299.0})
    assert verdict.objectives_met(quick, _facts(), Strategy.ACTIVE_PASSIVE, 1800)
    slow = _findings(rto_seconds={"p50": 100.0, "max": 301.0})
    assert not verdict.objectives_met(slow, _facts(), Strategy.ACTIVE_PASSIVE, 1800)
