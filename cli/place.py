"""Which installation the command is about: from options, variables or the `dr` stack's file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import click
import yaml
from botocore.config import Config

from contract.names import Names
from contract.sites import Site

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_mwaa import MWAAClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

T = TypeVar("T")

STACK_FILE = "Pulumi.dr.yaml"
PREFIX = "mwaa-dr:"
SECTIONS = ("existing", "code")
"""Of what the file holds besides scalars, what the commands need to know."""
BOUNDED = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3})


@dataclass
class Place:
    """The DR side of one installation; the command needs nothing of the primary Region.

    Args:
        region: the DR Region.
        primary_region: where an order for the primary site goes; empty if nobody said.
        existing: the settings of what is there already, by site.
        code_replicated: whether S3 carries code, or a pipeline writes it to both sites.
    """

    name: str
    account: str
    region: str
    partition: str = "aws"
    primary_region: str = ""
    existing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    code_replicated: bool = True

    @property
    def names(self) -> Names:
        return Names(self.name, self.account, self.partition)

    def dag_bucket(self, site: Site) -> str:
        """The bucket that a site's environment loads from."""
        return self.existing.get(site, {}).get("dagBucket") or self.names.dag_bucket(site)

    def environment(self, site: Site) -> str:
        """What a site's environment is called."""
        return self.existing.get(site, {}).get("environment") or self.names.environment(site)

    @cached_property
    def s3(self) -> "S3Client":
        return boto3.client("s3", region_name=self.region, config=BOUNDED)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return boto3.client("dynamodb", region_name=self.region, config=BOUNDED)

    @cached_property
    def functions(self) -> Any:  # noqa: ANN401 - its stubs are not among ours
        return boto3.client("lambda", region_name=self.region, config=BOUNDED)

    @cached_property
    def machines(self) -> "SFNClient":
        return boto3.client("stepfunctions", region_name=self.region, config=BOUNDED)

    @cached_property
    def mwaa(self) -> "MWAAClient":
        return boto3.client("mwaa", region_name=self.region, config=BOUNDED)

    @cached_property
    def caller(self) -> str:
        """Whose credentials these are: what an incident keeps of a person."""
        sts = boto3.client("sts", region_name=self.region, config=BOUNDED)
        return sts.get_caller_identity()["Arn"]

    def region_of(self, site: Site) -> str:
        """Raises click.UsageError where nobody said which Region is the primary one."""
        if site is Site.PRIMARY and not self.primary_region:
            raise click.UsageError(
                f"the Region of {site} is not known here; run in a folder with {STACK_FILE}"
            )
        return self.region if site is Site.DR else self.primary_region


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of the place; None where it says nothing."""

    name: str | None
    region: str | None
    account: str | None

    @property
    def installation(self) -> str:
        """The installation's name if the options or a stack file say it, else empty."""
        return self.name or _stack_settings(Path.cwd()).get("name", "")


def pass_place(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the place as its first argument; others need none, nor its help text."""

    @click.pass_obj
    @wraps(command)
    def wrapped(options: Options, *arguments: Any, **named: Any) -> T:  # noqa: ANN401
        place = resolve(options.name, options.region, options.account)
        return command(place, *arguments, **named)

    return wrapped


def resolve(name: str | None, region: str | None, account: str | None) -> Place:
    """The place that the options name; what they leave out comes from the stack's file.

    The file is `Pulumi.dr.yaml` in this folder or the nearest one above. Without it name and Region
    must be given, and the account is the one of the credentials.

    Raises:
        click.UsageError: something is missing or the name is not allowed.
    """
    settings = _stack_settings(Path.cwd())
    name = name or settings.get("name")
    region = region or settings.get("drRegion")
    account = account or settings.get("account")
    for option, value in (("--name", name), ("--region", region)):
        if not value:
            raise click.UsageError(
                f"{option} is missing; give it, or run in a folder with {STACK_FILE}"
            )
    if not account:
        sts = boto3.client("sts", region_name=region, config=BOUNDED)
        account = sts.get_caller_identity()["Account"]
    place = Place(
        str(name),
        str(account),
        str(region),
        settings.get("partition", "aws"),
        settings.get("primaryRegion", ""),
        settings.get("existing", {}),
        settings.get("code", {}).get("replication", True),
    )
    try:
        _ = place.names
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return place


def stack_file(start: Path) -> Path | None:
    """The stack file in this folder or the nearest one above; None if there is none."""
    return next(
        (found for at in (start, *start.parents) if (found := at / STACK_FILE).is_file()), None
    )


def _stack_settings(start: Path) -> dict[str, Any]:
    """The scalar settings of the nearest stack file and `SECTIONS`, by key without namespace."""
    file = stack_file(start)
    if file is None:
        return {}
    try:
        config = (yaml.safe_load(file.read_text()) or {}).get("config") or {}
    except yaml.YAMLError as error:
        raise click.UsageError(f"{file} is not YAML: {error}") from error
    return {
        key.removeprefix(PREFIX): value
        for key, value in config.items()
        if key.startswith(PREFIX)
        and (isinstance(value, str) or key.removeprefix(PREFIX) in SECTIONS)
    }
