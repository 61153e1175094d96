"""The lifecycle of a backup bucket keeps everything that going back takes."""

from hypothesis import given
from hypothesis import strategies as st

from components.retention import DAY, backup_bucket, backup_days, dag_bucket


@given(
    st.integers(1, 30),
    st.integers(1, 168).map(lambda hours: hours * 3600),
    st.integers(600, 86_400),
)
def test_every_moment_of_the_retention_can_be_restored(window_days, base_every, export_every):
    """Exports on a schedule, a base where the last one is old enough: until the next export leaves
    the window, an export and its base are needed."""
    days = backup_days(window_days, base_every, export_every)
    base = 0
    for taken in range(0, 3 * (base_every + export_every), export_every):
        if taken - base >= base_every:
            base = taken
        needed_until = taken + export_every + window_days * DAY
        assert needed_until - base <= days * DAY


@given(st.integers(1, 30), st.integers(1, 168), st.integers(10, 86_400))
def test_no_more_is_kept_than_that_takes(window_days, hours, export_every):
    days = backup_days(window_days, hours * 3600, export_every)
    assert (days - 1 - window_days) * DAY < hours * 3600 + export_every


def test_backups_end_twice_and_dag_files_outlive_them():
    [backups] = [rule for rule in backup_bucket(16) if rule.name == "backups"]
    [dags] = dag_bucket(16)
    assert (backups.expire_days, backups.noncurrent_days) == (16, 16)
    assert dags.expire_days is None
    assert dags.noncurrent_days == 33
