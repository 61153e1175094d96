"""Checks of how both owners behaved; each is made for every run or DAG it is about."""

from datetime import datetime, timedelta

from tests.checker import timetable
from tests.checker.findings import Findings
from tests.checker.outcome import DYING, UNFINISHED, Outcome, Run


def check(outcome: Outcome, findings: Findings) -> None:
    """Make every check of this module."""
    for part in (
        _nothing_lost_or_doubled,
        _losses_are_bounded,
        _nobody_runs_out_of_turn,
        _pauses_hold,
        _everything_resumed,
        _right_interval_next,
        _nothing_ancient_again,
        _no_callback_for_restored_tasks,
        _nothing_left_hanging,
        _values_came_along,
        _fenced_itself,
    ):
        part(outcome, findings)


def _nothing_lost_or_doubled(outcome: Outcome, findings: Findings) -> None:
    for run in outcome.expected:
        findings.check("no-run-lost", run, run not in outcome.lost, "was owed and never completed")
    for run in outcome.completed:
        findings.check(
            "no-run-doubled", run, run not in outcome.doubled, "one of its tasks succeeded twice"
        )


def _losses_are_bounded(outcome: Outcome, findings: Findings) -> None:
    """Only what was due within one backup interval may be at risk or in flight."""
    inputs = outcome.inputs
    reach = timedelta(seconds=inputs.backup_interval + inputs.backup_allowance)
    age = inputs.outage_at - inputs.snapshot_at
    findings.check(
        "backup-young",
        str(inputs.snapshot_at),
        timedelta(0) <= age <= reach,
        f"the backup was {age.total_seconds():.0f} s old at the outage; one is due each "
        f"{inputs.backup_interval:.0f} s and may take {inputs.backup_allowance:.0f} s",
    )
    if inputs.planned:
        for run in outcome.at_risk:
            findings.check("all-handed-over", run, False, "went on after the final backup")
        return
    for run in outcome.excused:
        row = outcome.source.get(run)
        if row is None:
            findings.check("excuse-is-real", run, False, "the old owner's database lacks it")
            continue
        longest = timedelta(seconds=outcome.rows[row.dag_id]["longest_seconds"])
        oldest = inputs.outage_at - reach - longest - timedelta(seconds=inputs.behind)
        findings.check(
            "losses-bounded", run, row.created_at >= oldest, f"is from {row.created_at}, too long "
            f"before the outage for a backup each {inputs.backup_interval:.0f} s"
        )  # fmt: skip


def _nobody_runs_out_of_turn(outcome: Outcome, findings: Findings) -> None:
    inputs = outcome.inputs
    for entry in outcome.old_entries:
        findings.check(
            "old-owner-silent", entry.run, entry.at <= inputs.outage_at + DYING,
            f"the old owner wrote {entry.event} at {entry.at}, after it was lost",
        )  # fmt: skip
    for entry in outcome.new_entries:
        findings.check(
            "new-owner-waits", entry.run, entry.at > inputs.promoted_at,
            f"the new owner wrote {entry.event} at {entry.at}, before it was promoted",
        )  # fmt: skip
        findings.check(
            "new-owner-place", entry.run, entry.region == inputs.restored.region,
            f"ran in {entry.region}, not in {inputs.restored.region}",
        )  # fmt: skip
    for runs in outcome.new_runs.values():
        for run in runs:
            findings.check(
                "new-owner-waits", run.run,
                run.queued_at is None or run.queued_at > inputs.promoted_at,
                f"was created at {run.queued_at}, before promotion",
            )  # fmt: skip


def _fenced_itself(outcome: Outcome, findings: Findings) -> None:
    """A site that came back without the epoch stopped soon, and says what it had done."""
    back = outcome.inputs.back
    if back is None:
        return
    took = (back.fenced_at - back.heartbeat_at).total_seconds()
    findings.check(
        "fenced-in-time", outcome.inputs.restored.environment, took <= back.allowed_seconds,
        f"its DAGs ran for {took:.0f} s, {back.allowed_seconds:.0f} s are allowed",
    )  # fmt: skip
    for entry in outcome.stray:
        findings.check(
            "stray-run-listed", entry.run, entry.run in back.listed,
            f"wrote {entry.event} at {entry.at}, before it was fenced, and no report lists it",
        )  # fmt: skip
    for run in outcome.made_astray:
        findings.check(
            "stray-run-listed", run, run in back.listed,
            "was made before the site was fenced, and no report lists it",
        )  # fmt: skip
    silent = outcome.ledger.of(outcome.inputs.restored.environment)
    for entry in silent:
        findings.check(
            "fenced-site-silent", entry.run,
            not back.fenced_at + DYING < entry.at < outcome.inputs.promoted_at,
            f"wrote {entry.event} at {entry.at}, while it was fenced",
        )  # fmt: skip


def _pauses_hold(outcome: Outcome, findings: Findings) -> None:
    for dag, row in outcome.rows.items():
        if row["user_paused"]:
            ran = [entry.run for entry in outcome.new_entries if entry.dag_id == dag]
            made = [run.run for run in outcome.new_runs[dag]]
            findings.check(
                "user-pause-holds", dag, not ran and not made, f"ran: {[*ran, *made][:3]}"
            )


def _everything_resumed(outcome: Outcome, findings: Findings) -> None:
    for dag, row in outcome.rows.items():
        if not row["user_paused"]:
            findings.check(
                "dag-resumed", dag, dag in outcome.resumed_at,
                "no scheduled run of it succeeded at the new owner",
            )  # fmt: skip


def _scheduled(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.run_type == "scheduled"]


def _last_restored(outcome: Outcome, dag: str) -> datetime | None:
    """Start of the newest interval that the backup already had a run for."""
    starts = [
        run.interval_start
        for run in outcome.source.values()
        if run.dag_id == dag
        and run.run_type == "scheduled"
        and run.interval_start
        and outcome.was_in_snapshot(run.run)
    ]
    return max(starts, default=None)


def _right_interval_next(outcome: Outcome, findings: Findings) -> None:
    """The first new run takes up where the backup left off.

    Without catch-up Airflow may also begin with an interval that ended later; it must be one of
    the schedule's own, and no earlier one.
    """
    for dag, row in outcome.rows.items():
        fresh = _scheduled(outcome.new_runs[dag])
        last = _last_restored(outcome, dag)
        if not timetable.is_timed(row) or not fresh or last is None:
            continue
        first = min(fresh, key=lambda run: run.created_at)
        if first.interval_start is None or first.interval_end is None:
            findings.check("right-interval-next", dag, False, f"{first.run_id} has no interval")
            continue
        begun = timetable.Interval(first.interval_start, first.interval_end)
        due = timetable.following(row, last)
        if row["catchup"]:
            right = begun == due
        else:
            right = begun.start >= due.start and timetable.is_aligned(row, begun)
        findings.check(
            "right-interval-next", dag, right,
            f"went on with {begun.start} to {begun.end}; after {last} comes {due.start}",
        )  # fmt: skip
    _still_scheduled(outcome, findings)


def _still_scheduled(outcome: Outcome, findings: Findings) -> None:
    """After the first run the next ones come too."""
    until = outcome.inputs.owed_until - timedelta(seconds=outcome.inputs.behind)
    for dag, row in outcome.rows.items():
        fresh = [run.interval_end for run in _scheduled(outcome.new_runs[dag]) if run.interval_end]
        if not timetable.is_timed(row) or row["user_paused"] or not fresh:
            continue
        owed = timetable.due(row, max(fresh), until)
        findings.check(
            "still-scheduled", dag, not owed,
            f"its last run is for {max(fresh)}, though one fell due at "
            f"{owed[-1].end if owed else None}",
        )  # fmt: skip


def _nothing_ancient_again(outcome: Outcome, findings: Findings) -> None:
    """No interval from before the backup's last one is run anew."""
    for dag in outcome.rows:
        last = _last_restored(outcome, dag)
        for run in _scheduled(outcome.new_runs[dag]):
            findings.check(
                "nothing-ancient-again", run.run,
                last is None or run.interval_start is None or run.interval_start > last,
                f"is for an interval before {last}, which the backup already had",
            )  # fmt: skip


def _no_callback_for_restored_tasks(outcome: Outcome, findings: Findings) -> None:
    for entry in outcome.new_entries:
        if entry.event == "callback":
            findings.check(
                "no-callback-for-restored", entry.run,
                outcome.is_new(entry.run)
                or entry.run in outcome.inputs.reruns
                or entry.run in outcome.handed_over,
                f"a failure callback of {entry.task_id} fired for a run that was only restored",
            )  # fmt: skip


def _nothing_left_hanging(outcome: Outcome, findings: Findings) -> None:
    for run in outcome.restored.values():
        if run.dag_id in outcome.rows and outcome.was_in_snapshot(run.run):
            findings.check(
                "nothing-left-hanging", run.run, run.state not in UNFINISHED,
                f"was restored and is still {run.state}",
            )  # fmt: skip
    for run in outcome.inputs.reruns:
        findings.check(
            "rerun-was-needed", run, run in outcome.excused,
            "the operator had to re-run it, though neither at risk nor in flight",
        )  # fmt: skip


def _values_came_along(outcome: Outcome, findings: Findings) -> None:
    """Connections and variables read the same, and a value kept in XCom goes on."""
    before: dict[tuple[str, str], set[str]] = {}
    for entry in outcome.old_entries:
        for name in ("connection", "variable"):
            if name in entry.values:
                before.setdefault((entry.dag_id, name), set()).add(entry.values[name])
    for entry in outcome.new_entries:
        for name in ("connection", "variable"):
            if name in entry.values:
                findings.check(
                    "values-came-along", entry.run,
                    entry.values[name] in before.get((entry.dag_id, name), set()),
                    f"read another value of its {name} than the old owner had",
                )  # fmt: skip
        if "count" in entry.values:
            findings.check(
                "values-came-along", entry.run, entry.values["count"] > 1,
                "its counter began again, so the XCom of the run before was not there",
            )  # fmt: skip
