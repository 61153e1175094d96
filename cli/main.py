"""Entry point of `mwaa-dr`."""

import click


@click.group()
def main() -> None:
    """Disaster recovery for Amazon MWAA."""
