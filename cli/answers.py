"""What `mwaa-dr metadata` says when it is done: tables for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cli import show
from contract.manifest import Manifest
from mwaa_dr_metadata import BackupCheck, TableCheck

CHECKED = ("table", "part", "expected", "present", "matched", "skipped", "extra")


def exported(manifest: Manifest, key: str, seconds: float, *, dry_run: bool, as_json: bool) -> None:
    """What a backup holds, table by table."""
    sizes: dict[str, int] = {}
    for item in manifest.objects:
        if item.table:
            sizes[item.table] = sizes.get(item.table, 0) + item.size
    rows, size = sum(manifest.counts.values()), sum(item.size for item in manifest.objects)
    if as_json:
        show.as_json(
            {
                "backup": key,
                "backup_id": manifest.backup_id,
                "kind": manifest.kind,
                "snapshot_at": manifest.snapshot_at,
                "tables": manifest.counts,
                "rows": rows,
                "bytes": size,
                "excluded": manifest.excluded,
                "unreadable": manifest.unreadable,
                "seconds": round(seconds, 3),
                "dry_run": dry_run,
            }
        )
        return
    show.table(
        "would be written" if dry_run else manifest.backup_id,
        ("table", "rows", "bytes"),
        [(table, count, sizes[table]) for table, count in manifest.counts.items() if count],
    )
    _unreadable(manifest.unreadable)
    verb = "nothing was written; it would be" if dry_run else f"wrote {key}:"
    show.line(f"{verb} {rows} rows, {size} bytes, in {seconds:.1f} s")


def imported(result: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """What came back, what did not, and what somebody has to look at."""
    if as_json:
        show.as_json({**result, "dry_run": dry_run})
        return
    show.table(
        f"{result['backup']}, snapshot of {result['snapshot_at']}",
        CHECKED,
        [_checked(check) for check in result["tables"]],
    )
    if dry_run:
        show.table(
            "would change",
            ("table", "inserted", "updated", "deleted"),
            [tuple(change.values()) for change in result["changes"]],
        )
    _unreadable(result["unreadable"])
    if result["schedule"]:
        show.table(
            "scheduling columns that differ from the backup",
            ("DAG", "column", "expected", "found"),
            [tuple(difference.values()) for difference in result["schedule"]],
        )
    for table, reason in result["not_carried"].items():
        show.line(f"not restored: {table}: {reason}")
    for run in result["conflicts"]:
        show.line(
            f"not restored: run {run['dag_id']}/{run['run_id']}: the target has another run of "
            "the same date"
        )
    for run in result["kept"]:
        show.line(f"kept, though the backup does not have it: run {run['dag_id']}/{run['run_id']}")
    _in_flight(result)
    show.line(
        f"nothing was kept; it took {result['seconds']} s"
        if dry_run
        else f"{result['rows']} rows are there, in {result['seconds']} s"
    )


def _in_flight(result: dict[str, Any]) -> None:
    given_back = result.get("unparked", {}).get("runs", [])
    if result["interrupted"]:
        show.table(
            "interrupted runs",
            ("DAG", "run", "was", "unfinished tasks"),
            [
                (run["dag_id"], run["run_id"], run["state_before"], len(run["tasks"]))
                for run in result["interrupted"]
            ],
        )
        show.line(
            f"{len(given_back)} of them go on when their DAGs are un-paused"
            if given_back
            else "they stay failed; `mwaa-dr rerun` runs them again"
        )
    if "unpaused" in result:
        show.line(f"un-paused: {', '.join(result['unpaused']['unpaused']) or 'none'}")
        for dag_id in result["unpaused"]["missing"]:
            show.line(f"not un-paused: {dag_id}: the target has no such DAG")


def verified(check: BackupCheck, tables: Sequence[TableCheck] | None, *, as_json: bool) -> None:
    """Whether a backup is whole, and whether a database holds it."""
    if as_json:
        compared = None if tables is None else [asdict(table) for table in tables]
        show.as_json({**asdict(check), "usable": check.usable, "tables": compared})
        return
    for problem in check.problems:
        show.line(f"{check.manifest_key}: {problem}")
    if check.usable:
        show.line(
            f"{check.manifest_key}: all {check.objects} objects are what the manifest says "
            f"({check.rows} rows, {check.size} bytes)"
        )
    if tables is not None:
        show.table("the database", CHECKED, [_checked(asdict(table)) for table in tables])


def _checked(check: dict[str, Any]) -> tuple[object, ...]:
    return tuple(
        ("yes" if check[name] else "NO") if name == "matched" else check[name] for name in CHECKED
    )


def _unreadable(entries: Sequence[dict[str, str]]) -> None:
    if entries:
        show.table(
            "secrets that the source's own key does not open",
            ("table", "key", "column", "reason"),
            [tuple(entry[name] for name in ("table", "key", "column", "reason"))
             for entry in entries],
        )  # fmt: skip
