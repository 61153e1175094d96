"""What the drill did and saw, with times: shown live, and the report's timeline afterwards."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

Emulated = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Step:
    """One part of the drill.

    Args:
        emulated: what AWS would add to this time and who says so; empty for real times.
    """

    name: str
    started_at: datetime
    ended_at: datetime | None = None
    emulated: Emulated = field(default_factory=dict)
    failed: bool = False

    @property
    def seconds(self) -> float:
        return ((self.ended_at or now()) - self.started_at).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "started_at": self.started_at.isoformat(),
            "ended_at": (self.ended_at or now()).isoformat(),
            "emulated": self.emulated or False,
        }


class Journal:
    """Collects steps from any thread and shows them."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.steps: list[Step] = []
        self.started_at = now()
        self._title = title
        self._status = ""
        self._console = console or Console()
        self._lock = threading.Lock()
        self._live: Live | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the display up to date; without a terminal every step is a line instead."""
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._render, console=self._console, refresh_per_second=2) as live:
            self._live = live
            yield
        self._live = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a part of the drill."""
        step = Step(name, now())
        with self._lock:
            self.steps.append(step)
        try:
            yield step
        except BaseException:
            step.failed = True
            raise
        finally:
            step.ended_at = now()
            self._line(step)

    def add(
        self, name: str, started_at: datetime, ended_at: datetime, emulated: Emulated | None = None
    ) -> None:
        """Note a part that something else did."""
        step = Step(name, started_at, ended_at, emulated or {})
        with self._lock:
            self.steps.append(step)
        self._line(step)

    def status(self, text: str) -> None:
        """One line about what is going on right now."""
        self._status = text

    def _line(self, step: Step) -> None:
        if self._live is None:
            self._console.print(
                f"{self._clock(step)} {step.seconds:6.1f} s  {step.name}"
                f"{'  FAILED' if step.failed else ''}",
                highlight=False,
                soft_wrap=True,
            )

    def _clock(self, step: Step) -> str:
        seconds = int((step.started_at - self.started_at).total_seconds())
        return f"{seconds // 60:02d}:{seconds % 60:02d}"

    def _render(self) -> Group:
        table = Table(title=self._title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("at", style="dim")
        table.add_column("takes", justify="right")
        table.add_column("")
        with self._lock:
            for step in sorted(self.steps, key=lambda item: item.started_at):
                style = "bold red" if step.failed else "" if step.ended_at else "bold cyan"
                name = Text(step.name, style=style)
                if step.emulated:
                    name.append("  emulated", style="yellow")
                table.add_row(self._clock(step), f"{step.seconds:.0f} s", name)
        return Group(table, Text(self._status, style="dim"))
