"""Draws widgets as one SVG that needs nothing else."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise
from statistics import median

from local.dashboard.read import Alarms, Chart, Line, Span, Text, Widget

COLUMN, ROW, GAP = 50, 34, 8
"""Size of the grid's cells and the space between widgets, in pixels."""
COLOURS = ("#2b6cb0", "#d97706", "#14804a", "#b3261e", "#7c3aed", "#0e7490")
STATES = {"OK": "#14804a", "ALARM": "#b3261e"}
INK, SOFT, RULE, PAPER, WASH = "#17212b", "#5d6b78", "#dde3e8", "#ffffff", "#f5f7f9"
FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"
STEPS = (1, 2, 2.5, 5, 10)
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 42, 44
"""Room around a chart's own area."""
Across = Callable[[datetime], float]
"""Where a moment is."""
Up = Callable[[float], float]
"""Where a value is."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float


def svg(widgets: Sequence[Widget], span: Span, marks: Sequence[tuple[datetime, str]] = ()) -> str:
    """The whole picture; `marks` are moments that every chart shows, with their names."""
    height = max(widget.y + widget.height for widget in widgets) * ROW
    width = 24 * COLUMN
    body = [text for widget in widgets for text in _widget(widget, span, marks)]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="{FONT}" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="{WASH}"/>',
            *body,
            "</svg>",
        )
    )


def _widget(widget: Widget, span: Span, marks: Sequence[tuple[datetime, str]]) -> Iterator[str]:
    box = Box(
        widget.x * COLUMN + GAP / 2,
        widget.y * ROW + GAP / 2,
        widget.width * COLUMN - GAP,
        widget.height * ROW - GAP,
    )
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" '
        f'fill="{PAPER}" stroke="{RULE}"/>'
    )
    match widget.content:
        case Text():
            yield from _text(box, widget.content)
        case Alarms():
            yield from _alarms(box, widget.content)
        case Chart(single=True):
            yield from _numbers(box, widget.content)
        case Chart():
            yield from _chart(box, widget.content, span, marks)


def _words(
    x: float, y: float, text: str, *, size: int = 12, colour: str = INK, anchor: str = "start",
    bold: bool = False,
) -> str:  # fmt: skip
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}"{weight}>{escape(text)}</text>'
    )


def _title(box: Box, text: str) -> str:
    return _words(box.x + 14, box.y + 22, text, size=13, bold=True)


def _text(box: Box, content: Text) -> Iterator[str]:
    y = box.y + 12
    for line in content.lines:
        head = line.startswith("# ")
        y += 24 if head else 22
        shown = _LINK.sub(r"\1", line.removeprefix("# ")).replace("`", "")
        yield _words(box.x + 14, y, shown, size=18 if head else 13, bold=head)


def _alarms(box: Box, content: Alarms) -> Iterator[str]:
    yield _title(box, content.title)
    columns = 4
    wide = (box.width - 28) / columns
    for index, (name, state) in enumerate(content.states):
        row, column = divmod(index, columns)
        x, y = box.x + 14 + column * wide, box.y + 36 + row * 28
        colour = STATES.get(state, SOFT)
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide - 8:.1f}" height="22" rx="4" '
            f'fill="{colour}" fill-opacity="0.12" stroke="{colour}"/>'
        )
        yield _words(x + 8, y + 15, name, size=11)
        yield _words(x + wide - 16, y + 15, state, size=10, colour=colour, anchor="end", bold=True)


def _numbers(box: Box, content: Chart) -> Iterator[str]:
    yield _title(box, content.title)
    wide = box.width / max(1, len(content.lines))
    for index, line in enumerate(content.lines):
        x = box.x + wide * (index + 0.5)
        value = f"{line.points[-1][1]:g}" if line.points else "no data"
        y = box.y + box.height / 2 + 14
        yield _words(x, y, value, size=26, colour=COLOURS[index], anchor="middle", bold=True)
        yield _words(x, y + 26, line.label, colour=SOFT, anchor="middle")


def _chart(
    box: Box, content: Chart, span: Span, marks: Sequence[tuple[datetime, str]]
) -> Iterator[str]:
    area = Box(box.x + LEFT, box.y + TOP, box.width - LEFT - RIGHT, box.height - TOP - BOTTOM)
    values = [value for line in content.lines for _, value in line.points]
    top, step = _scale(max([*values, *(value for _, value in content.limits), 1.0]))
    seconds = max(1.0, (span.end - span.start).total_seconds())

    def x(at: datetime) -> float:
        # A point stands at the beginning of its period, which may be before the first moment.
        return area.x + max(0.0, (at - span.start).total_seconds()) / seconds * area.width

    def y(value: float) -> float:
        return area.y + area.height - value / top * area.height

    yield _title(box, content.title)
    yield from _grid(area, top, step, span, y)
    for label, value in content.limits:
        yield (
            f'<line x1="{area.x}" x2="{area.x + area.width}" y1="{y(value):.1f}" '
            f'y2="{y(value):.1f}" stroke="{COLOURS[3]}" stroke-dasharray="5 4"/>'
        )
        yield _words(
            area.x + area.width, y(value) - 4, label, size=10, colour=COLOURS[3], anchor="end"
        )
    for at, label in marks:
        yield (
            f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{area.y}" '
            f'y2="{area.y + area.height}" stroke="{SOFT}" stroke-dasharray="3 3"/>'
        )
        yield _words(x(at), area.y - 3, label, size=10, colour=SOFT, anchor="middle")
    for index, line in enumerate(content.lines):
        yield from _line(line, COLOURS[index % len(COLOURS)], x, y)
    yield from _legend(area, content.lines)


def _line(line: Line, colour: str, x: Across, y: Up) -> Iterator[str]:
    """A gap is drawn as a gap: silence is what matters here."""
    for piece in _pieces(line.points):
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in piece)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for at, value in piece if len(piece) == 1 else ():
            yield f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.5" fill="{colour}"/>'


def _pieces(points: Sequence[tuple[datetime, float]]) -> list[list[tuple[datetime, float]]]:
    """The points without the gaps: where two are more than twice as far apart as they usually are.

    Some metrics come with each reading and some once a minute.
    """
    apart = [(after[0] - before[0]).total_seconds() for before, after in pairwise(points)]
    usual = median(apart) if apart else 0.0
    pieces = [[point] for point in points[:1]]
    for seconds, point in zip(apart, points[1:], strict=True):
        if seconds <= 2 * usual:
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return pieces


def _legend(area: Box, lines: Sequence[Line]) -> Iterator[str]:
    x, y = area.x, area.y + area.height + 34
    for index, line in enumerate(lines):
        if line.points:
            colour = COLOURS[index % len(COLOURS)]
            yield f'<rect x="{x:.1f}" y="{y - 8:.1f}" width="10" height="10" fill="{colour}"/>'
            yield _words(x + 14, y + 1, line.label, size=11)
            x += 30 + 6.4 * len(line.label)
    silent = ", ".join(line.label for line in lines if not line.points)
    if silent:
        yield _words(x, y + 1, f"no data: {silent}", size=11, colour=SOFT)


def _grid(area: Box, top: float, step: float, span: Span, y: Up) -> Iterator[str]:
    for number in range(round(top / step) + 1):
        value = number * step
        yield (
            f'<line x1="{area.x}" x2="{area.x + area.width}" y1="{y(value):.1f}" '
            f'y2="{y(value):.1f}" stroke="{RULE}"/>'
        )
        yield _words(area.x - 6, y(value) + 4, f"{value:g}", size=10, colour=SOFT, anchor="end")
    anchors = ("start", "middle", "middle", "middle", "end")
    for number, anchor in enumerate(anchors):
        part = number / (len(anchors) - 1)
        at = span.start + (span.end - span.start) * part
        x, below = area.x + area.width * part, area.y + area.height + 15
        yield _words(x, below, f"{at:%H:%M:%S}", size=10, colour=SOFT, anchor=anchor)


def _scale(most: float) -> tuple[float, float]:
    """The top of the axis and the distance of its lines: at most five, of round numbers."""
    size = 10.0 ** (len(f"{int(most / 4)}") - 1) if most >= 4 else 10.0 ** (-1 if most < 1 else 0)  # noqa: PLR2004
    step = next(size * factor for factor in STEPS if size * factor * 4 >= most)
    return step * max(1, -(-most // step)), step
