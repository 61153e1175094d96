"""The report shows what happened, to a person and without a network."""

import re

from local.drill import report
from tests.drill import sample_report


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
