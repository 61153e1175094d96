"""`make bench`: measures the metadata engine into `build/bench/results.json`.

    python -m bench.metadata --only export --only resume_seconds_1m --sizes 10000,100000

Groups that are not measured again keep what an earlier run measured; both sides of a ratio are
always measured in one run. With `--on FILE` it works on a
cluster that `bench.dataset --json FILE` keeps; without, on one of its own.
"""

import contextlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import bars, dataset, facts, scenarios
from bench.databases import Server, serve
from bench.stage import FAILURES, Stage
from local.paths import ROOT

RESULTS = ROOT / "build" / "bench" / "results.json"


@click.command(help=__doc__)
@click.option("--only", multiple=True, metavar="NAME", help="A figure or a group of them.")
@click.option(
    "--sizes",
    default=",".join(map(str, bars.SIZES)),
    show_default=True,
    help="Task instances, for the figures about every size.",
)
@click.option("--on", "kept", type=click.Path(path_type=Path, exists=True), help="A kept cluster.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS)
def main(only: tuple[str, ...], sizes: str, kept: Path | None, results: Path) -> None:
    try:
        groups = bars.groups_of(only) if only else list(bars.GROUPS)
        wanted = tuple(int(size) for size in sizes.split(","))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that everything is cleaned up
    results.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(results.read_text()) if results.exists() else {}
    with _workplace(results.parent, kept) as (folder, server), _progress(len(groups)) as shown:
        stage = Stage(
            server,
            folder,
            shown.say,
            dict(known.get("metadata_raw", {})),
            dict(known.get("metadata_missing", {})),
        )
        now = facts.gather(server)
        found: dict[str, Any] = dict(known.get("metadata_facts", {})) | now
        for group in groups:
            shown.begin(group)
            _play(stage, group, wanted)
            when = f"{now['commit']} at {now['taken_at']}"
            found["measured"] = {**found.get("measured", {}), group: when}
            if str(bars.FULL) in server.sources:
                found["rows_1m"] = facts.rows(server, stage.source())
            known |= bars.as_results(stage.raw, stage.missing, found)
            _write(results, known)
    _show(stage)
    if stage.failures:
        raise click.ClickException(f"failed: {', '.join(stage.failures)}; see {results}")


def _play(stage: Stage, group: str, sizes: tuple[int, ...]) -> None:
    """One group; where a side of its comparisons fails, all its figures say so."""
    try:
        if group == "sizes":
            scenarios.sizes(stage, sizes)
        else:
            scenarios.GROUPS[group](stage)
    except FAILURES as error:
        stage.failures.append(group)
        for bar in bars.BARS:
            for name in bar.inputs if bar.group == group else ():
                if not stage.raw.get(name):
                    stage.missing[name] = f"failed: {error}"


@contextlib.contextmanager
def _workplace(build: Path, kept: Path | None) -> Iterator[tuple[Path, Server]]:
    """A folder for this run and a cluster."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=build))
    try:
        if kept is not None:
            said = json.loads(kept.read_text())
            yield folder, Server(**{name: said[name] for name in Server.__dataclass_fields__})
        else:
            with serve(folder / "cluster", dataset.today()) as server:
                yield folder, server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Shown:
    """A bar over the groups, a line per measurement."""

    def __init__(self, progress: Progress, groups: int) -> None:
        self._progress = progress
        self._task = progress.add_task("start", total=groups, completed=-1)

    def begin(self, group: str) -> None:
        self._progress.update(self._task, description=group, advance=1)

    def say(self, line: str) -> None:
        self._progress.console.print(line, highlight=False, markup=False)


@contextlib.contextmanager
def _progress(groups: int) -> Iterator[_Shown]:
    columns: tuple[Any, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Shown(progress, groups)


def _write(results: Path, known: dict[str, Any]) -> None:
    """At once or not at all."""
    partial = results.with_suffix(".partial")
    partial.write_text(json.dumps(known, indent=2) + "\n")
    partial.rename(results)


def _show(stage: Stage) -> None:
    table = Table("figure", "value", "bar", "met")
    for name, verdict in bars.judge(stage.raw, stage.missing).items():
        value = verdict.reason if verdict.value is None else f"{verdict.value:g} {verdict.unit}"
        sign = "≥" if verdict.at_least else "≤"
        met = {True: "yes", False: "no", None: "-"}[verdict.met]
        table.add_row(name, value, f"{sign} {verdict.bar:g}", met)
    Console(file=sys.stdout).print(table)


if __name__ == "__main__":
    main()
