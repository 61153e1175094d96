"""The checker agrees with a perfect recovery and objects to each thing that can go wrong."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.checker.inputs import Return
from tests.checker.story import NEW, OLD, OUTAGE, PROMOTED, Story, at, perfect


def test_agrees_with_a_perfect_recovery():
    findings = perfect().objections()
    assert findings.objections == []
    assert len(findings.made) >= 12


def test_sorts_the_runs_of_a_perfect_recovery():
    outcome = perfect().outcome()
    assert outcome.in_flight == {"hits/scheduled__2026-01-01T10:10:00+00:00"}
    assert outcome.at_risk == {
        f"{dag}/scheduled__2026-01-01T10:{time}+00:00"
        for dag, time in (
            ("hits", "08:40"),
            ("billing", "09:00"),
            ("counter", "09:15"),
            ("reader", "09:10"),
        )
    }
    assert outcome.lost == outcome.doubled == set()
    assert set(outcome.resumed_at) == {"hits", "billing", "reader", "counter", "mapped"}
    assert outcome.resumed_at["billing"] == at(PROMOTED + 6)


def _lose_a_run(story: Story) -> Story:
    return story.without(story.fresh_run("billing").run)


def _lose_a_run_of_the_old_owner(story: Story) -> Story:
    return story.without("billing/scheduled__2026-01-01T10:03:00+00:00")


def _lose_one_mapped_instance(story: Story) -> Story:
    run = story.new_run("mapped").run
    gone = next(e for e in story.entries if e.run == run and e.map_index == 1)
    return replace(story, entries=[e for e in story.entries if (e.run, e.task) != (run, gone.task)])


def _run_twice(story: Story) -> Story:
    again = story.entry_of("hits/scheduled__2026-01-01T10:02:00+00:00")
    late = replace(again, at=at(PROMOTED + 9), environment=NEW.environment, region=NEW.region)
    return replace(story, entries=[*story.entries, late])


def _run_twice_at_the_new_owner(story: Story) -> Story:
    again = story.entry_of(story.new_run("reader").run)
    return replace(story, entries=[*story.entries, replace(again, at=at(PROMOTED + 20))])


def _run_before_promotion(story: Story) -> Story:
    early = replace(story.entry_of(story.new_run("reader").run), at=at(PROMOTED - 1))
    return replace(story, entries=[*story.entries, early])


def _create_before_promotion(story: Story) -> Story:
    run = story.new_run("reader")
    early = replace(run, queued_at=at(PROMOTED - 10), interval_end=at(PROMOTED - 11))
    return replace(story, restored=[early if r is run else r for r in story.restored])


def _old_owner_comes_back(story: Story) -> Story:
    ghost = replace(story.entries[0], event="start", at=at(OUTAGE + 30))
    return replace(story, entries=[*story.entries, ghost])


def _callback_for_a_restored_task(story: Story) -> Story:
    restored = next(r for r in story.restored if r.dag_id == "hits" and r.state == "failed")
    told = replace(story.entries[0], event="callback", dag_id="hits", run_id=restored.run_id,
                   environment=NEW.environment, region=NEW.region, at=at(PROMOTED + 3))  # fmt: skip
    return replace(story, entries=[*story.entries, told])


def _run_what_a_user_paused(story: Story) -> Story:
    entry = replace(story.entry_of(story.new_run("reader").run), dag_id="paused")
    return replace(story, entries=[*story.entries, entry])


def _create_what_a_user_paused(story: Story) -> Story:
    run = replace(story.new_run("reader"), dag_id="paused")
    return replace(story, restored=[*story.restored, run])


def _never_resume(story: Story) -> Story:
    return replace(
        story,
        entries=[e for e in story.entries if (e.dag_id, e.environment) != ("reader", "new")],
    )


def _skip_an_interval(story: Story) -> Story:
    first = story.new_run("billing")
    return replace(story, restored=[r for r in story.restored if r is not first])


def _drift(story: Story) -> Story:
    run = story.new_run("reader")
    odd = replace(run, interval_start=run.interval_start + timedelta(seconds=7))
    return replace(story, restored=[odd if r is run else r for r in story.restored])


def _stop_after_the_first(story: Story) -> Story:
    later = story.outcome().new_runs["hits"][1:]
    return replace(story, restored=[run for run in story.restored if run not in later])


def _rerun_ancient_history(story: Story) -> Story:
    ancient = replace(
        next(run for run in story.source if run.dag_id == "billing"), queued_at=at(PROMOTED + 3)
    )
    kept = [run for run in story.restored if run.run != ancient.run]
    return replace(story, restored=[*kept, ancient])


def _leave_a_run_hanging(story: Story) -> Story:
    return replace(
        story,
        restored=[
            replace(r, state="running") if r.state == "failed" else r for r in story.restored
        ],
    )


def _other_connection(story: Story) -> Story:
    run = story.new_run("reader").run
    return replace(
        story,
        entries=[
            replace(e, values={"connection": "changed"}) if e.run == run and e.values else e
            for e in story.entries
        ],
    )


def _counter_begins_again(story: Story) -> Story:
    run = story.new_run("counter").run
    return replace(
        story,
        entries=[
            replace(e, values={"count": 1}) if e.run == run and e.values else e
            for e in story.entries
        ],
    )


def _old_backup(story: Story) -> Story:
    return replace(story, inputs=replace(story.inputs, snapshot_at=at(OUTAGE - 300)))


def _backup_interval_too_long_for_the_promise(story: Story) -> Story:
    inputs = replace(story.inputs, snapshot_at=at(OUTAGE - 400), backup_interval=5)
    return replace(story, inputs=inputs)


def _needless_rerun(story: Story) -> Story:
    run = next(run.run for run in story.source if run.dag_id == "hits")
    return replace(story, inputs=replace(story.inputs, reruns=frozenset({run})))


def _ran_in_the_wrong_region(story: Story) -> Story:
    return replace(
        story,
        entries=[
            replace(e, region=OLD.region) if e.environment == NEW.environment else e
            for e in story.entries
        ],
    )


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (_lose_a_run, "no-run-lost"),
        (_lose_a_run_of_the_old_owner, "no-run-lost"),
        (_lose_one_mapped_instance, "no-run-lost"),
        (_run_twice, "no-run-doubled"),
        (_run_twice_at_the_new_owner, "no-run-doubled"),
        (_run_before_promotion, "new-owner-waits"),
        (_create_before_promotion, "new-owner-waits"),
        (_old_owner_comes_back, "old-owner-silent"),
        (_callback_for_a_restored_task, "no-callback-for-restored"),
        (_run_what_a_user_paused, "user-pause-holds"),
        (_create_what_a_user_paused, "user-pause-holds"),
        (_never_resume, "dag-resumed"),
        (_skip_an_interval, "right-interval-next"),
        (_drift, "right-interval-next"),
        (_stop_after_the_first, "still-scheduled"),
        (_rerun_ancient_history, "nothing-ancient-again"),
        (_leave_a_run_hanging, "nothing-left-hanging"),
        (_other_connection, "values-came-along"),
        (_counter_begins_again, "values-came-along"),
        (_old_backup, "backup-young"),
        (_backup_interval_too_long_for_the_promise, "losses-bounded"),
        (_needless_rerun, "rerun-was-needed"),
        (_ran_in_the_wrong_region, "new-owner-place"),
    ],
)
def test_objects_by_name(change, check):
    assert check in change(perfect()).objections().names()


def _made_astray(*, listed: bool) -> Story:
    """The site that work went back to had made a run on its own, which nobody ever started."""
    story = perfect()
    run = replace(
        story.new_run("hits"), run_id="scheduled__astray", interval_start=at(1), state="failed",
        interval_end=at(OUTAGE - 60), queued_at=at(OUTAGE - 50),
    )  # fmt: skip
    back = Return(
        lost_at=at(300), returned_at=at(OUTAGE - 60), heartbeat_at=at(OUTAGE - 55),
        fenced_at=at(OUTAGE - 40), listed=frozenset({run.run} if listed else ()),
        allowed_seconds=90,
    )  # fmt: skip
    inputs = replace(story.inputs, back=back)
    return replace(story, inputs=inputs, restored=[*story.restored, run])


def test_a_run_that_a_returned_site_made_alone_is_owed_to_nobody_but_listed():
    named = "hits/scheduled__astray"
    listed = _made_astray(listed=True).objections()
    assert listed.about("no-run-lost") == listed.about("stray-run-listed") == []
    assert _made_astray(listed=False).objections().about("stray-run-listed") == [named]
    owed = replace(_made_astray(listed=True), inputs=perfect().inputs)
    assert named in owed.objections().about("no-run-lost")


def test_names_the_run_that_was_lost():
    story = perfect()
    run = story.fresh_run("billing").run
    assert story.without(run).objections().about("no-run-lost") == [run]


def test_a_quiet_moment_excuses_nothing():
    """The same re-runs count as doubled once the snapshot already had what they repeat."""
    story = perfect()
    repeated = story.outcome().at_risk & {e.run for e in story.entries if e.environment == "new"}
    assert repeated
    done = [replace(run, visible=True) for run in story.source if run.end_date]
    quiet = replace(
        story,
        inputs=replace(story.inputs, snapshot_at=at(OUTAGE - 0.1)),
        source=done,
        entries=[e for e in story.entries if e.run in {r.run for r in done} or e.at > at(PROMOTED)],
    ).outcome()
    assert quiet.excused == set()
    assert quiet.doubled == repeated


def test_an_end_that_was_not_committed_at_the_snapshot_is_at_risk():
    """Airflow stamps the end of a run before it commits it: the backup had the run unfinished."""
    run = "hits/scheduled__2026-01-01T10:02:00+00:00"
    story = _run_twice(perfect())
    assert run in story.outcome().doubled
    source = [replace(r, visible=False) if r.run == run else r for r in story.source]
    outcome = replace(story, source=source).outcome()
    assert run in outcome.at_risk
    assert run not in outcome.doubled


@pytest.mark.parametrize(
    ("state", "visible", "excused"),
    [("running", True, True), ("failed", False, True), ("failed", True, False)],
)
def test_a_run_that_was_handed_over_unfinished_may_fail_at_the_new_owner(state, visible, excused):
    """Whether the old owner has ended its own copy yet or not; one that had failed is different."""
    story = _callback_for_a_restored_task(perfect())
    [run] = story.objections().about("no-callback-for-restored")
    source = [
        replace(one, state=state, visible=visible) if one.run == run else one
        for one in story.source
    ]
    planned = replace(story, inputs=replace(story.inputs, planned=True), source=source)
    expected = [] if excused else [run]
    assert planned.objections().about("no-callback-for-restored") == expected
