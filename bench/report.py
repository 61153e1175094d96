"""Puts a benchmark run into the documentation: `python -m bench.report`.

It keeps the results as `bench/results.json` and rewrites the generated parts of
`docs/benchmarks.md`; what explains a missed bar is written by hand, below a heading with its name.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.metadata import RESULTS
from local.markdown import table
from local.paths import ROOT

SNAPSHOT = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
SMALL_TABLE = 1000
"""Tables with fewer rows are not listed."""
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(page: str, results: Mapping[str, Any]) -> str:
    """The page with its generated parts made from `results`.

    Raises:
        KeyError: the page asks for a part that is not known.
    """
    return _PART.sub(
        lambda found: f"{found[1]}{_PARTS[found[2]](results)}\n{found[3]}",
        page,
    )


def missed(results: Mapping[str, Any]) -> list[str]:
    """Figures that did not reach their bar; one that was not measured says why in the table."""
    return [name for name, bar in results["metadata_bars"].items() if bar["met"] is False]


def _figures(results: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", bar["what"], _amount(bar["value"], bar), _limit(bar), _met(bar))
        for name, bar in results["metadata_bars"].items()
    ]
    return table(("figure", "what", "measured", "bar", "met"), rows)


def _raw(results: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", _number(median(values)), ", ".join(_number(value) for value in values))
        for name, values in results["metadata_raw"].items()
    ]
    return table(("operation/side/task instances", "median", "every repetition"), rows)


def _facts(results: Mapping[str, Any]) -> str:
    facts = dict(results["metadata_facts"])
    rows = facts.pop("rows_1m", {})
    counts = ", ".join(f"{name} {count:,}" for name, count in rows.items() if count >= SMALL_TABLE)
    groups = facts.pop("measured", {})
    lines = [(name.replace("_", " "), str(value)) for name, value in facts.items()]
    lines += [(f"measured: {group}", when) for group, when in groups.items()]
    return table(("fact", "value"), [*lines, ("rows at 1 M", counts)])


def _amount(value: float | None, bar: Mapping[str, Any]) -> str:
    if value is None:
        return f"not measured: {bar['reason']}"
    return f"{_number(value)} {bar['unit']}".strip()


def _limit(bar: Mapping[str, Any]) -> str:
    return f"{'≥' if bar['at_least'] else '≤'} {_number(bar['bar'])} {bar['unit']}".strip()


def _met(bar: Mapping[str, Any]) -> str:
    if bar["met"] is None:
        return "-"
    if bar["met"]:
        return "yes"
    worse = bar["value"] / bar["bar"]
    return f"no, by {abs(1 - worse):.0%}"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004


_PARTS = {"figures": _figures, "raw": _raw, "facts": _facts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS)
    results = json.loads(parser.parse_args().results.read_text())
    kept = {name: value for name, value in results.items() if name.startswith("metadata")}
    SNAPSHOT.write_text(json.dumps(kept, indent=2) + "\n")
    PAGE.write_text(written(PAGE.read_text(), kept))


if __name__ == "__main__":
    main()
