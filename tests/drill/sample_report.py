"""A made-up report for tests of its rendering."""

from datetime import UTC, datetime, timedelta
from typing import Any

OUTAGE = datetime(2026, 1, 1, 10, tzinfo=UTC)
STEPS = (
    ("a local AWS comes up", -270, -266),
    ("pulumi up -s dr, with the policy pack", -266, -240),
    ("pulumi up -s primary, with the policy pack", -240, -190),
    ("every DAG succeeds at least once; backups are taken", -180, -20),
    ("OUTAGE: us-east-1 is lost (hang)", 0, 0.4),
    ("the monitor notices, by itself", 0, 48),
    ("pulumi up -s dr while the primary Region is lost", 8, 19),
    ("the old owner does not answer; the newest backup is verified", 48, 72),
    ("the environment is created in the DR Region", 72, 104),
    ("the metadata is restored", 104, 121),
    ("the DR site is promoted and its DAGs un-paused", 121, 133),
    ("every DAG succeeds again", 133, 171),
)
EMULATED = {"aws_takes_seconds": [1200, 1800], "source": "a user guide"}


def at(seconds: float) -> str:
    return (OUTAGE + timedelta(seconds=seconds)).isoformat()


def report(*, verified: bool = True) -> dict[str, Any]:
    return {
        "strategy": "backup-restore",
        "airflow_version": "2.10.3",
        "outage": "hang",
        "regions": {"primary": "us-east-1", "dr": "us-west-2", "witness": "eu-west-1"},
        "outage_at": at(0),
        "detected_at": at(48),
        "environment_ready_at": at(104),
        "restored_at": at(121),
        "unpaused_at": at(133),
        "resumed_at": {f"dag_{number:02d}": at(136 + number) for number in range(34)},
        "rto_seconds": {"p50": 152.5, "max": 169.0},
        "rpo_seconds": 17.3,
        "objectives": {"rto_seconds": 3600, "rpo_seconds": 120},
        "met": True,
        "steps": [
            {
                "name": name,
                "started_at": at(start),
                "ended_at": at(end),
                "emulated": EMULATED if "created in the DR" in name else False,
            }
            for name, start, end in STEPS
        ],
        "tables": [
            {"name": "dag_run", "expected_rows": 163, "restored_rows": 163, "match": True},
            {"name": "xcom", "expected_rows": 90, "restored_rows": 89, "match": False},
        ],
        "runs": {
            "expected": 241,
            "completed": 238,
            "lost": 0,
            "doubled": 0,
            "at_risk": ["orders_etl/scheduled__2026-01-01T09:58:00+00:00"],
            "in_flight": ["long_training/scheduled__2026-01-01T09:57:18+00:00"],
        },
        "forecast": {"headline": "there is none"},
        "verified": verified,
    }


def findings(*, verified: bool = True) -> dict[str, Any]:
    objection = {"check": "xcom-equal", "subject": "<a key>", "reason": "is not there"}
    return {
        "objections": [] if verified else [objection],
        "checks": {"no-run-lost": 241, "xcom-equal": 90},
    }
