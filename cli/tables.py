"""`mwaa-dr metadata tables`: what a backup carries of Airflow's database, and what it does not."""

import click

from cli import show
from mwaa_dr_metadata.declarations import Merge, TableRule, Where
from mwaa_dr_metadata.rules import EXCLUDED, LEFTOVER, RENAMED_TABLES, RULES

CARRIED = ("table", "since 3.0", "in the resume set", "how it comes back", "encrypted by Airflow")
LEFT_OUT = ("table", "why it is left out")

_WHERE = {
    Where.ALL: "whole",
    Where.NONE: "no: history only",
    Where.BY_RUN: "of the runs that scheduling needs",
    Where.PENDING_EVENTS: "events that no run has taken yet",
}
_MERGE = {
    Merge.UPSERT: "by key; other rows stay",
    Merge.KEYED: "by key; queues are mirrored",
    Merge.MIRROR: "mirrored",
    Merge.LEDGER: "as many equal rows as there were",
    Merge.RUN: "the latest and unfinished replace, history adds",
    Merge.OF_RUN: "with its run",
    Merge.TEMPLATE: "by content",
    Merge.PARKED: "parked: written at promotion",
}
HEAD = """\
# What a backup carries

<!-- Made by `mwaa-dr metadata tables --markdown`. Do not edit. -->

Every table of every supported Airflow is carried or left out for a reason; a test proves it on
their real schemas. Each backup's manifest repeats what it left out. Ids are given anew in the
target wherever they are referred to. What Airflow encrypts is decrypted with the source's key and
encrypted with the target's. Rows of the recovery DAGs, and variables, connections and pools whose
names start with `mwaa_dr_`, stay with their site.

`rendered_task_instance_fields` can be switched off (`backup.renderedFields: false`): it may hold
secrets, and nothing runs by it.
"""


def renamed(name: str) -> str:
    """What Airflow 3 calls a table; empty if it is the same name."""
    new = name
    for old, later in RENAMED_TABLES.items():
        new = new.replace(old, later)
    return new if new != name else ""


def carried() -> list[tuple[str, ...]]:
    return [_row(rule) for rule in RULES]


def _row(rule: TableRule) -> tuple[str, ...]:
    sealed = ", ".join(item.column for item in rule.sealed)
    return (rule.name, renamed(rule.name), _WHERE[rule.resume], _MERGE[rule.merge], sealed)


def left_out() -> list[tuple[str, str]]:
    return [*sorted(EXCLUDED.items()), ("`_*_archive`, renamed tables of an upgrade", LEFTOVER)]


def markdown() -> str:
    """The page `docs/tables.md`."""

    def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
        lines = [columns, tuple("---" for _ in columns), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    left = [(name, reason) for name, reason in left_out()]
    return f"{HEAD}\n{table(CARRIED, carried())}\n\n## Left out\n\n{table(LEFT_OUT, [*left])}\n"


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of tables.")
@click.option("--markdown", "markdown_", is_flag=True, help="Print the page of the documentation.")
def tables(*, json_: bool, markdown_: bool) -> None:
    """What a backup carries of Airflow's database, and what it leaves out."""
    if markdown_:
        click.echo(markdown(), nl=False)
    elif json_:
        show.as_json({"carried": [row[0] for row in carried()], "left_out": dict(left_out())})
    else:
        show.table("carried", CARRIED, carried())
        show.table("left out", LEFT_OUT, left_out())
