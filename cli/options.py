"""Options that several commands have."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import click

from contract import keys

T = TypeVar("T")


def database_url(*, required: bool) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """The option `--database-url`, which may hold a password."""
    return click.option(
        "--database-url",
        envvar="MWAA_DR_DATABASE_URL",
        show_envvar=True,
        metavar="URL",
        required=required,
        help="The metadata database: postgresql://user:password@host:port/name. Others see what "
        "stands on a command line: a password is safer in the variable.",
    )


def time_of(text: str) -> datetime | None:
    """A time in ISO 8601, UTC unless the text says otherwise; None for anything else.

    A backup's id is none, though Python would read it as one: a mistyped id must not quietly
    become the newest backup before it.
    """
    with contextlib.suppress(ValueError):
        keys.backup_time(text)
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Moment(click.ParamType):
    """A time on the command line."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        at = value if isinstance(value, datetime) else time_of(value)
        if at is None:
            self.fail(
                f"{value!r} is not a time; use ISO 8601, such as 2026-11-26T09:30Z", param, ctx
            )
        return at
