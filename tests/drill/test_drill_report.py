"""The report shows what happened, to a person and without a network."""

import re

from contract.sites import InFlightRule
from local.drill import report
from mwaa_dr_metadata import forecast
from tests.drill import sample_report
from tests.metadata.test_metadata_forecast import PROMOTED, SNAPSHOT, dag


def _page(*, verified=True):
    return report.render(
        sample_report.report(verified=verified), sample_report.findings(verified=verified)
    )


def test_needs_nothing_from_elsewhere():
    page = _page()
    assert not re.search(r"(src|href)=|@import|url\(|<script", page)


def test_says_whether_the_checker_agrees():
    assert "The independent checker agrees" in _page()
    spoilt = _page(verified=False)
    assert "does not agree; objections: 1" in spoilt
    assert "xcom-equal" in spoilt
    assert "&lt;a key&gt;" in spoilt


def test_shows_what_was_foretold():
    assert "there is none" in _page()
    made = sample_report.report()
    entries = [dag(dag_id="<orders>"), dag(dag_id="asleep", is_paused=True)]
    foretold = forecast(entries, [], InFlightRule.FAIL, SNAPSHOT, PROMOTED)
    page = report.render({**made, "forecast": foretold.to_dict()}, sample_report.findings())
    assert "18 runs of 1 DAGs; 6 may repeat" in page
    assert "<td>&lt;orders&gt;</td>" in page
    assert "<td>asleep</td>" in page
    assert "<th>Never run</th>" not in page


def test_timeline_puts_every_step_in_its_place():
    chart = report.timeline(sample_report.report())
    assert [bar.name for bar in chart.bars][:2] == [step[0] for step in sample_report.STEPS][:2]
    outage = chart.marks[0][0]
    kinds = {bar.kind: bar for bar in chart.bars}
    assert set(kinds) == {"before", "outage", "after", "emulated"}
    assert all((bar.x + bar.width <= outage + 2) == (bar.kind == "before") for bar in chart.bars
               if bar.kind != "outage")  # fmt: skip
    assert kinds["emulated"].note == "on AWS 20 to 30 min"


def test_recovery_times_are_in_order():
    bars = report.recovery_times(sample_report.report()).bars
    assert len(bars) == 34
    assert [bar.seconds for bar in bars] == sorted(bar.seconds for bar in bars)


def test_says_how_long_aws_would_take():
    low, high = report.on_aws(sample_report.report())
    assert (low, high) == (169 - 32 + 1200, 169 - 32 + 1800)


def test_the_way_back_is_shown_where_the_drill_went_it():
    made = sample_report.report()
    assert "The way back" not in report.render(made, sample_report.findings())
    back = {
        "fence_seconds": 17.0,
        "listed": ["orders/run"],
        "failback": {"pause_seconds": 31.5, "runs": {"lost": 0, "doubled": 0}},
        "drill": {"incident_id": "drill-e0003-01", "ownership_changed": False, "unpaused": []},
    }
    steps = [{**step, "emulated": False} for step in made["steps"]]
    page = report.render({**made, "steps": steps, "comeback": back}, sample_report.findings())
    for text in ("The way back", "17.0 s", "31.5 s", "drill-e0003-01", "stood by"):
        assert text in page


def test_says_what_was_lost_and_what_only_looked_like_a_loss():
    made = sample_report.report()
    assert "us-east-1 was lost" in " ".join(_page().split())

    def words(**changes):
        return " ".join(report.render({**made, **changes}, sample_report.findings()).split())

    assert "the environment in us-east-1 was lost" in words(outage="environment")
    seen = {"disturbance": "throttle", "seconds": 60, "verdicts": ["DEGRADED", "HEALTHY"]}
    page = words(outage="throttle", disturbance=seen)
    assert "us-east-1 was lost (hang)" in page
    assert "throttle in us-east-1 for 60 s moved nothing: the verdicts were DEGRADED" in page
