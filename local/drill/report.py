"""Renders a drill's report as one HTML file that needs nothing else."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2

from mwaa_dr_metadata import Forecast

TEMPLATE = Path(__file__).with_name("report.html.j2")
WIDTH = 1000
"""Width of the drawing area, in the drawing's own units."""
LETTER = 7.6
"""How wide a letter of a name is."""
LINE = 26
TICKS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Distances between time marks, in seconds; the first that gives few enough is taken."""
MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a chart. `kind` is its colour; `x` and `width` are in drawing units."""

    name: str
    x: float
    width: float
    seconds: float
    kind: str
    note: str = ""

    @property
    def label_left(self) -> bool:
        """Whether the label has more room to the left of the bar."""
        return self.x + self.width / 2 > WIDTH / 2


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over a time axis; `marks` are (x, text), `ticks` likewise."""

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]]

    @property
    def height(self) -> int:
        return LINE * len(self.bars) + 28 + 16 * max(1, len(self.marks))

    @property
    def names(self) -> float:
        """Room for the names to the left."""
        return max((len(bar.name) for bar in self.bars), default=0) * LETTER + 24


def clock(seconds: float) -> str:
    """`m:ss`, with a sign before zero."""
    sign = "\u2212" if seconds < 0 else ""
    whole = round(abs(seconds))
    return f"{sign}{whole // 60}:{whole % 60:02d}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "\u2013"
    if seconds < 100:  # noqa: PLR2004 - below that a person counts in seconds
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def _ticks(first: float, last: float) -> Iterator[float]:
    step = next((tick for tick in TICKS if (last - first) / tick <= MOST_TICKS), TICKS[-1])
    tick = -(-first // step) * step
    while tick <= last:
        yield tick
        tick += step


def timeline(report: dict[str, Any]) -> Chart:
    """All steps of the drill; zero is the outage."""
    zero = datetime.fromisoformat(report["outage_at"])
    spans = [
        (
            step,
            (datetime.fromisoformat(step["started_at"]) - zero).total_seconds(),
            (datetime.fromisoformat(step["ended_at"]) - zero).total_seconds(),
        )
        for step in report["steps"]
    ]
    first = min((start for _, start, _ in spans), default=0.0)
    last = max((end for *_, end in spans), default=1.0)
    scale = WIDTH / max(last - first, 1)
    bars = [
        Bar(
            name=step["name"],
            x=(start - first) * scale,
            width=max((end - start) * scale, 2),
            seconds=end - start,
            kind=_kind(step, start),
            note=_note(step),
        )
        for step, start, end in sorted(spans, key=lambda span: span[1])
    ]
    marks = [(-first * scale, "outage")]
    return Chart(bars, [((t - first) * scale, clock(t)) for t in _ticks(first, last)], marks)


def _kind(step: dict[str, Any], start: float) -> str:
    if step["name"].startswith("OUTAGE"):
        return "outage"
    if step["emulated"]:
        return "emulated"
    return "before" if start < 0 else "after"


def _note(step: dict[str, Any]) -> str:
    if not step["emulated"]:
        return ""
    low, high = (f"{seconds // 60}" for seconds in step["emulated"]["aws_takes_seconds"])
    return f"on AWS {low} to {high} min"


def recovery_times(report: dict[str, Any]) -> Chart:
    """Per DAG, the time from the outage to its first scheduled success at the new owner."""
    zero = datetime.fromisoformat(report["outage_at"])
    times = sorted(
        (
            ((datetime.fromisoformat(at) - zero).total_seconds(), dag)
            for dag, at in report["resumed_at"].items()
        )
    )
    last = max((seconds for seconds, _ in times), default=1.0)
    scale = WIDTH / (last * 1.08)
    bars = [Bar(dag, 0, seconds * scale, seconds, "after") for seconds, dag in times]
    marks = [
        ((datetime.fromisoformat(report[key]) - zero).total_seconds() * scale, text)
        for key, text in (
            ("detected_at", "noticed"),
            ("environment_ready_at", "environment"),
            ("restored_at", "restored"),
            ("unpaused_at", "un-paused"),
        )
    ]
    return Chart(bars, [(t * scale, clock(t)) for t in _ticks(0, last)], marks)


def on_aws(report: dict[str, Any]) -> tuple[float, float] | None:
    """Worst recovery time if environments took as long as AWS documents; (shortest, longest)."""
    made = next((step for step in report["steps"] if step["emulated"]), None)
    worst = report["rto_seconds"]["max"]
    if made is None or worst is None:
        return None
    here = datetime.fromisoformat(made["ended_at"]) - datetime.fromisoformat(made["started_at"])
    low, high = made["emulated"]["aws_takes_seconds"]
    rest = timedelta(seconds=worst) - here
    return rest.total_seconds() + low, rest.total_seconds() + high


def foretold(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """The forecast as a heading and rows; nothing if there was none."""
    if "dags" not in report["forecast"]:
        return []
    return Forecast.from_dict(report["forecast"]).table()


def render(report: dict[str, Any], findings: dict[str, Any], dashboard: str = "") -> str:
    """The whole page.

    Args:
        report: as in report.json.
        findings: the checker's own words: objections, and how often each check was made.
        dashboard: SVG of what the installation's dashboard showed.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"duration": duration, "clock": clock}
    return environment.from_string(TEMPLATE.read_text()).render(
        report=report,
        findings=findings,
        timeline=timeline(report),
        foretold=foretold(report),
        recovery_times=recovery_times(report),
        on_aws=on_aws(report),
        # A picture of its own, so that the page's styles leave it alone.
        dashboard=base64.b64encode(dashboard.encode()).decode(),
        width=WIDTH,
        line=LINE,
    )


def write(path: Path, report: dict[str, Any], findings: dict[str, Any], dashboard: str) -> None:
    path.write_text(render(report, findings, dashboard))
