"""Entry point of `mwaa-dr`."""

import click
from botocore.exceptions import BotoCoreError, ClientError

from cli.adopt import adopt
from cli.approve import approve
from cli.backups import backups
from cli.code import code
from cli.forecast import forecast
from cli.metadata import metadata
from cli.moves import drill, failback, failover
from cli.place import Options
from cli.purge import purge
from cli.report import report
from cli.rerun import rerun
from cli.status import status
from cli.tables import tables


class AwsGroup(click.Group):
    """Shows what AWS refused as a message, not as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(f"AWS: {error}") from error


@click.group(cls=AwsGroup)
@click.option("--name", envvar="MWAA_DR_NAME", help="The installation.")
@click.option("--region", envvar="MWAA_DR_REGION", help="The DR Region.")
@click.option("--account", envvar="MWAA_DR_ACCOUNT", help="The account of the DR site.")
@click.pass_context
def main(ctx: click.Context, name: str | None, region: str | None, account: str | None) -> None:
    """Disaster recovery for Amazon MWAA.

    What the options leave out is read from Pulumi.dr.yaml in this folder or above. The command
    talks to the DR Region alone, so that it works while the primary Region is lost.
    """
    ctx.obj = Options(name, region, account)


for command in (
    *(status, backups, report),
    *(failover, failback, drill, approve, rerun, adopt),
    *(code, metadata),
):
    main.add_command(command)
for command in (forecast, purge, tables):
    metadata.add_command(command)
