from datetime import UTC, datetime

import pytest

from local.gateway.schedule import At, Cron, Rate, first_due, next_due, parse


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(2 hours)", 7200),
        ("rate(1 day)", 86_400),
    ],
)
def test_rates_count_seconds(text, seconds):
    assert parse(text) == Rate(seconds)


def test_rate_fires_at_once_then_keeps_its_beat_and_skips_what_was_missed():
    rate = Rate(60)
    assert first_due(rate, 1000) == 1000
    assert next_due(rate, 1000, 1000.4) == 1060
    assert next_due(rate, 1000, 1185) == 1240


def test_at_fires_once_in_its_own_zone():
    at = parse("at(2026-11-22T04:00:00)", "Europe/Berlin")
    assert at == At(moment("2026-11-22T03:00:00"))
    assert first_due(at, 0) == moment("2026-11-22T03:00:00").timestamp()
    assert next_due(at, 0, 1) is None


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("cron(0 4 * * ? *)", "2026-11-22T04:00:00", "2026-11-23T04:00:00"),
        ("cron(0 4 * * ? *)", "2026-11-22T03:59:30", "2026-11-22T04:00:00"),
        ("cron(*/15 8-10 ? * MON-FRI *)", "2026-11-22T09:00:00", "2026-11-23T08:00:00"),
        ("cron(0/20 * * * ? *)", "2026-11-22T09:40:00", "2026-11-22T10:00:00"),
        ("cron(30 6 1 JAN,jul ? *)", "2026-11-22T00:00:00", "2027-01-01T06:30:00"),
        ("cron(0 0 29 2 ? *)", "2026-11-22T00:00:00", "2028-02-29T00:00:00"),
        ("cron(0 0 ? * 1 *)", "2026-11-23T00:00:00", "2026-11-29T00:00:00"),
        ("cron(0 0 1 1 ? 2030-2031)", "2026-11-22T00:00:00", "2030-01-01T00:00:00"),
    ],
)
def test_cron_finds_the_next_minute(text, after, expected):
    cron = parse(text)
    assert isinstance(cron, Cron)
    assert cron.next_after(moment(after)) == moment(expected)


def test_cron_in_the_past_never_fires_again():
    cron = parse("cron(0 0 1 1 ? 2020)")
    assert isinstance(cron, Cron)
    assert cron.next_after(moment("2026-11-22T00:00:00")) is None
    assert first_due(cron, moment("2026-11-22T00:00:00").timestamp()) is None


def test_cron_keeps_local_time_over_a_clock_change():
    cron = parse("cron(0 4 * * ? *)", "America/New_York")
    assert isinstance(cron, Cron)
    assert cron.next_after(moment("2026-10-31T12:00:00")) == moment("2026-11-01T09:00:00")
    assert cron.next_after(moment("2026-10-30T12:00:00")) == moment("2026-10-31T08:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(30 seconds)",
        "cron(0 4 * * *)",
        "cron(0 4 * * * *)",
        "cron(0 4 ? * ? *)",
        "cron(60 4 * * ? *)",
        "cron(0 4 L * ? *)",
        "cron(0 4 ? * 6#3 *)",
        "at(tomorrow)",
    ],
)
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 -- each kind has its own words
        parse(text)


def test_unknown_zone_is_named():
    with pytest.raises(ValueError, match="Atlantis"):
        parse("rate(1 minute)", "Sea/Atlantis")
