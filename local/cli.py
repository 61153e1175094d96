"""`python -m local`: brings the local AWS up and down, and lets Regions fail."""

import importlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from local.gateway import process
from local.gateway.control import ControlError
from local.gateway.outage import Mode
from local.paths import STATE


def _current(root: Path) -> process.LocalAws:
    found = process.find(root)
    if found is None:
        raise click.ClickException("the local AWS is not up; run `make local-up` first")
    return found


def _backend(root: Path) -> Path:
    return root / "pulumi"


@click.group(help=__doc__)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=STATE,
    help="Folder for everything it writes.",
)
@click.pass_context
def main(context: click.Context, root: Path) -> None:
    context.obj = root.resolve()


@main.command()
@click.option("--port", type=int, help="Loopback port; a free one by default.")
@click.pass_obj
def up(root: Path, port: int | None) -> None:
    """Start it; if it is up already, only say so."""
    found = process.find(root)
    if found is not None:
        click.echo(f"up already at {found.endpoint} (process {found.pid})")
        return
    try:
        started = process.start(root, port=port)
    except (RuntimeError, TimeoutError) as error:
        raise click.ClickException(str(error)) from error
    # A new account knows nothing of what an earlier state says is deployed.
    stacks = importlib.import_module("local.pulumi.environment")
    shutil.rmtree(_backend(root), ignore_errors=True)
    stacks.init_stacks(backend=_backend(root))
    click.echo(f"up at {started.endpoint} (process {started.pid})")


@main.command()
@click.pass_obj
def down(root: Path) -> None:
    """Stop it with all its environments and functions."""
    click.echo("down" if process.stop(root) else "was not up")


@main.command()
@click.pass_obj
def env(root: Path) -> None:
    """Print `export` lines: eval "$(python -m local env)"."""
    variables = dict(_current(root).environment)
    pulumi = importlib.import_module("local.pulumi.environment")
    variables.update(pulumi.pulumi_environment(backend=_backend(root)))
    commands = str(Path(sys.executable).parent)
    variables["PATH"] = os.pathsep.join(dict.fromkeys([commands, *variables["PATH"].split(":")]))
    for name, value in sorted(variables.items()):
        click.echo(f"export {name}={shlex.quote(str(value))}")


@main.command()
@click.pass_obj
def status(root: Path) -> None:
    """Show Regions, outages and environments."""
    found = _current(root)
    state = found.control.state()
    console = Console()
    console.print(f"local AWS at {found.endpoint}, account {found.account}, process {found.pid}")
    console.print(_regions(state))
    if state["environments"]:
        console.print(_environments(state["environments"]))
    waiting = state["replication"]["waiting"]
    console.print(f"S3 replication: {waiting} copies waiting")
    for failed in state["failed_deliveries"][-5:]:
        console.print(f"undelivered: {failed['source']} -> {failed['target']}: {failed['error']}")


def _regions(state: dict[str, Any]) -> Table:
    table = Table("Region", "state", "services", "since")
    outages = {outage["region"]: outage for outage in state["outages"]}
    for region in state["regions"]:
        outage = outages.get(region)
        if outage is None:
            table.add_row(region, "works", "", "")
        else:
            services = ", ".join(outage["services"] or ["all"])
            age = f"{state['time'] - outage['started']:.0f} s"
            table.add_row(region, f"[red]{outage['mode']}[/red]", services, age)
    return table


def _environments(environments: list[dict[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for item in environments for key in item))[:8]
    table = Table(*columns)
    for item in environments:
        table.add_row(*(str(item.get(column, "")) for column in columns))
    return table


@main.command()
@click.argument("region")
@click.option("--mode", type=click.Choice([mode.value for mode in Mode]), default=Mode.HANG.value)
@click.option("--services", help="Comma-separated boto3 names; all by default.")
@click.option("--lose-environments", is_flag=True, help="Kill the Region's Airflow processes too.")
@click.option("--flap-seconds", type=float, default=15, show_default=True)
@click.option("--environment", default="", help="The one that dies, with --mode environment.")
@click.option("--end", is_flag=True, help="End the Region's outage.")
@click.pass_obj
def outage(
    root: Path,
    region: str,
    *,
    mode: str,
    services: str | None,
    lose_environments: bool,
    flap_seconds: float,
    environment: str,
    end: bool,
) -> None:
    """Let REGION fail, or with --end work again."""
    control = _current(root).control
    if end:
        ended = control.end_outage(region)
        click.echo(f"{region} works again" if ended else f"{region} had no outage")
        return
    names = [name.strip() for name in services.split(",")] if services else None
    try:
        begun = control.begin_outage(
            region,
            services=names,
            mode=mode,
            lose_environments=lose_environments,
            flap_seconds=flap_seconds,
            environment=environment,
        )
    except ControlError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{region}: {begun['mode']} for {', '.join(begun['services'] or ['all services'])}")
