"""What is timed, group by group; sides of a comparison take turns."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

from bench import changes, check, live, peer, process
from bench.bars import FULL, SMALL
from bench.stage import Stage

REPETITIONS = 3
PEER_REPETITIONS = 2
LIVE_REPETITIONS = 2
RESUME_SECONDS = 120
"""A resume that takes longer is given up."""


def export(stage: Stage) -> None:
    """Ours, plain COPY and the peer."""
    name = f"/{FULL}"
    for turn in range(REPETITIONS):
        done = stage.export()
        stage.record("export/ours" + name, done.seconds)
        stage.record("rss/export" + name, done.peak_mib)
        stage.record("export/copy" + name, stage.copy("export", stage.source()).seconds)
        if turn < PEER_REPETITIONS:
            done = stage.peer("export", stage.peer_source(), stage.server.source_key)
            stage.record("export/peer" + name, done.seconds)


def bulk(stage: Stage) -> None:
    """Ours, COPY with indexes and keys rebuilt by hand, and the peer's restore."""
    if not any(stage.made("copy").iterdir()):
        stage.copy("export", stage.source())
    for turn in range(REPETITIONS):
        name = f"bulk/ours/{FULL}"
        stage.attempt(name, functools.partial(_import, stage, FULL, name, mode="bulk"))
        target = stage.target()
        stage.record(f"bulk/copy/{FULL}", stage.copy("import", target).seconds)
        _require_copied(stage, target)
        if turn < PEER_REPETITIONS:
            stage.peer_files()
            target = stage.target()
            done = stage.peer("import", target, stage.server.target_key)
            check.require_counts(stage.server, target, stage.peer_source(), "the peer's restore")
            stage.record(f"bulk/peer/{FULL}", done.seconds)
    stage.drop("target")


def _import(stage: Stage, size: int, name: str, mode: str) -> None:
    backup = stage.backup(size)
    target = stage.target()
    done = stage.engine(
        target, stage.server.target_key, do="import", backup=backup, mode=mode, size=size
    )
    stage.require_restored(target, stage.source(size), name)
    stage.record(name, done.seconds)
    stage.record(f"rss/import/{size}", done.peak_mib)


def _require_copied(stage: Stage, target: str) -> None:
    """The yardstick must have copied everything, too, or it would be too strict."""
    counts = [
        stage.server.rows(name, "SELECT (SELECT count(*) FROM xcom), count(*) FROM task_instance")
        for name in (target, stage.source())
    ]
    if counts[0] != counts[1]:
        raise check.WrongResultError(f"COPY: {counts[0]} rows of {counts[1]}")


def live_imports(stage: Stage) -> None:
    """Ours and the peer's, each in a scheduled task."""
    for _ in range(LIVE_REPETITIONS):
        stage.attempt(f"live/ours/{FULL}", functools.partial(_live_ours, stage))
        _live_peer(stage)
    stage.drop("target")


def _live_ours(stage: Stage) -> None:
    order = stage.order(
        "target", stage.server.target_key, do="import", backup=stage.backup(), phase="all"
    )
    said = _in_task(stage, stage.python, "bench.drive", order)
    stage.require_restored("target", stage.source(), "the live import")
    stage.record(f"live/ours/{FULL}", said)


def _live_peer(stage: Stage) -> None:
    files = stage.peer_files()

    def with_files(home: Path) -> None:
        (home / "dags" / "data").symlink_to(files)

    said = _in_task(stage, peer.ensure(), "bench.peer_drive", {"do": "import"}, with_files)
    check.require_counts(stage.server, "target", stage.peer_source(), "the peer's live restore")
    stage.record(f"live/peer/{FULL}", said)


def _in_task(
    stage: Stage,
    python: Path,
    module: str,
    order: dict[str, object],
    prepare: Callable[[Path], None] = lambda _: None,
) -> float:
    target = stage.target()
    home = live.make_home(stage.folder / "live")
    prepare(home)
    stage.settle()
    said = live.in_task(stage.server, target, home, python, module=module, order=order)
    return float(said["seconds"])


def resume(stage: Stage) -> None:
    """From the start of phase 1 until the schedule is the source's, large and small in turns."""
    for turn in range(REPETITIONS):
        for size in (FULL, SMALL):
            name = f"resume/ours/{size}"
            again = turn == 0
            stage.attempt(name, functools.partial(_resume, stage, size, name, parse_again=again))
    stage.drop("target")


def _resume(stage: Stage, size: int, name: str, *, parse_again: bool) -> None:
    backup, wanted = stage.backup(size), check.next_runs(stage.server, stage.source(size))
    target, home = stage.target(), live.make_home(stage.folder / "live")
    order = stage.order(
        target, stage.server.target_key, do="import", backup=backup, phase="resume", size=size
    )
    with live.scheduler(stage.server, target, home, stage.python):
        stage.settle()
        child = process.start([stage.python, "-m", "bench.drive", json.dumps(order)])
        equal = _when_equal(stage, target, wanted)
        output, errors = child.communicate()
        said = process.document(output, errors, child.returncode)
        if parse_again:
            live.wait_for_parse(stage.server, target)
        if check.next_runs(stage.server, target) != wanted:
            raise check.WrongResultError(f"{name}: parsing changed the schedule again")
    stage.record(name, equal - said["began"])


def _when_equal(stage: Stage, target: str, wanted: dict[str, tuple[object, ...]]) -> float:
    """Look twenty times a second."""
    deadline = time.time() + RESUME_SECONDS
    while time.time() < deadline:
        if check.next_runs(stage.server, target) == wanted:
            return time.time()
        time.sleep(0.05)
    raise check.WrongResultError(f"no DAG's next run was right within {RESUME_SECONDS} s")


def incremental(stage: Stage) -> None:
    """After each round of changes an incremental, applied to a standby that follows."""
    name = f"incremental_export/ours/{FULL}"
    done = stage.peer("export", stage.peer_source(), stage.server.source_key)
    stage.record(f"incremental_export/peer/{FULL}", done.seconds)
    stage.attempt(name, functools.partial(_follow, stage, name))
    if name in stage.missing:
        stage.missing[f"incremental_apply/ours/{FULL}"] = stage.missing[name]


def _follow(stage: Stage, name: str) -> None:
    server, where = stage.server, {"size": "changing"}
    changing = server.copy(stage.source(), "changing")
    standby = stage.target("standby")
    base = stage.engine(changing, server.source_key, do="export", kind="base", **where)
    follow = {"do": "import", "mode": "follow", **where}
    stage.engine(standby, server.target_key, backup=base.said["backup"], **follow)
    connection = server.connect(changing)
    try:
        for round_ in range(changes.ROUNDS):
            changes.apply(connection, round_, server.anchor)
            done = stage.engine(
                changing, server.source_key, do="export", kind="incremental", **where
            )
            if done.said["kind"] != "incremental":
                raise check.WrongResultError(f"{name}: a {done.said['kind']} backup was made")
            backup = done.said["backup"]
            applied = stage.engine(standby, server.target_key, backup=backup, **follow)
            found = check.contents(server, standby, changing, server.target_key)
            wanted = check.contents(server, changing, changing, server.source_key)
            check.require_equal(found, wanted, f"{name}, round {round_}")
            stage.record(name, done.seconds)
            stage.record(f"incremental_apply/ours/{FULL}", applied.seconds)
            stage.record(f"rss/incremental_export/{FULL}", done.peak_mib)
            stage.record(f"rss/incremental_apply/{FULL}", applied.peak_mib)
    finally:
        connection.close()
    for database in (changing, standby):
        stage.drop(database)


def sizes(stage: Stage, wanted: tuple[int, ...]) -> None:
    """Memory at every size, and time per row; all of it anew, to be compared within one run."""
    for size in wanted:
        done = stage.export(size)
        stage.record(f"sizes_export/ours/{size}", done.seconds)
        stage.record(f"rss/export/{size}", done.peak_mib)
        for mode in ("bulk", "restore") if size <= FULL else ("bulk",):
            name = f"sizes_{mode}/ours/{size}"
            stage.attempt(name, functools.partial(_import, stage, size, name, mode=mode))
        stage.drop("target")
        if size > FULL:
            stage.forget(size)


GROUPS: dict[str, Callable[[Stage], None]] = {
    "export": export,
    "bulk": bulk,
    "live": live_imports,
    "resume": resume,
    "incremental": incremental,
}
"""Besides `sizes`, which takes an argument."""
