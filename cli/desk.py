"""What the commands about metadata are all told: database, storage, keys."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click
from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from cli.explain import explained
from cli.options import database_url
from cli.place import Options
from cli.vault import Vault
from mwaa_dr_metadata import fernet_from_env
from mwaa_dr_metadata.database import engine_from_url

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the command line says.

    Args:
        url: of the metadata database; empty if the command was given none.
        quiet: JSON was asked for: print nothing else.
    """

    vault: Vault
    url: str
    quiet: bool

    @property
    def engine(self) -> Engine:
        return engine_from_url(self.url)

    @property
    def fernet(self) -> MultiFernet | None:
        return fernet_from_env(os.environ)


def at_desk(*, database: bool | None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Give a command the options that all have, as its first argument, and explain its errors.

    Args:
        database: whether the command cannot do without a database; None if it has no use for one.
    """
    options = (
        *([] if database is None else [database_url(required=database)]),
        click.option(
            "--storage", "uri", envvar="MWAA_DR_STORAGE", show_envvar=True, required=True,
            metavar="URI", help="s3://bucket/prefix or file:///folder.",
        ),
        click.option(
            "--region", help="The bucket's Region.  [default: AWS_REGION, AWS_DEFAULT_REGION]"
        ),
        click.option(
            "--seal-key", envvar="MWAA_DR_SEAL_KEY", show_envvar=True, default="",
            help="What seals secrets: a KMS key's ARN or alias, or a key file.  [default: on S3 "
            "the installation's KMS key, else ~/.config/mwaa-dr/seal.key]",
        ),
        click.option(
            "--installation",
            help="Whose backups.  [default: --name, or the name in Pulumi.dr.yaml]",
        ),
        click.option("--json", "json_", is_flag=True, help="Print JSON and nothing else."),
    )  # fmt: skip

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @click.pass_obj
        @wraps(command)
        def wrapped(place: Options, *arguments: Any, **named: Any) -> T:  # noqa: ANN401
            url = named.pop("database_url", None) or ""
            region = named.pop("region") or place.region or _region()
            installation = named.pop("installation") or place.installation
            vault = Vault(named.pop("uri"), region, named.pop("seal_key"), installation)
            with explained(url):
                return command(Desk(vault, url, named.pop("json_")), *arguments, **named)

        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
