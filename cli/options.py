"""Options that several commands have."""

from collections.abc import Callable
from typing import TypeVar

import click

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
