"""How answers are shown: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

COLOURS = {
    **{"HEALTHY": "green", "good": "green", "succeeded": "green", "complete": "green"},
    **{"PLANNED": "cyan", "planned": "cyan", "open": "yellow"},
    **{"DEGRADED": "yellow", "unknown": "yellow", "attention": "yellow", "incomplete": "yellow"},
    **{"BLIND": "magenta", "DOWN": "bold red", "bad": "red", "unreachable": "red", "failed": "red"},
    "NO": "bold red",
}


def as_json(answer: Any) -> None:  # noqa: ANN401
    click.echo(json.dumps(answer, indent=2, sort_keys=True, default=str))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(coloured(str(cell)) for cell in row))
    Console().print(made)


def line(text: str) -> None:
    Console().print(text, highlight=False)


def coloured(word: str) -> str:
    """The word in its colour; text from elsewhere is never taken for markup."""
    colour = COLOURS.get(word)
    return f"[{colour}]{escaped(word)}[/]" if colour else escaped(word)


def escaped(text: str) -> str:
    return text.replace("[", r"\[")


def short(detail: Mapping[str, Any]) -> str:
    """The plain values of a timeline entry."""
    return ", ".join(
        f"{key} {value}" for key, value in detail.items() if not isinstance(value, dict | list)
    )


def in_order(timeline: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(timeline.values(), key=lambda entry: entry["at"])


def seconds_since(at: str) -> float:
    return age_of(datetime.fromisoformat(at))


def age_of(at: datetime) -> float:
    """Seconds since `at`."""
    return round((datetime.now(UTC) - at).total_seconds(), 1)


def ago(at: str) -> str:
    """A time with how long ago it was; "never" for ""."""
    if not at:
        return "never"
    return f"{at[:19]}Z ({duration(age_of(datetime.fromisoformat(at)))} ago)"


def duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
