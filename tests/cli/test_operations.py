"""Every command that `docs/operations.md` prints exists, with the options that it prints."""

import re
import shlex

import click
import pytest

from cli.main import main
from contract.state import IncidentStatus
from local.paths import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
LINES = re.findall(r"^ *\$ mwaa-dr (.+)$", PAGE, re.MULTILINE)


def parsed(line: str) -> str:
    """Parse one command line as far as it goes, without running it; the command's path."""
    words, command = shlex.split(line), main
    context = click.Context(main, info_name="mwaa-dr")
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        assert command is not None
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(context.info_name, words, parent=context.parent)
    return context.command_path


def test_a_word_that_does_not_exist_is_noticed() -> None:
    for line in ("failover --planed", "fail", "approve", "code restore"):
        with pytest.raises(click.UsageError):
            parsed(line)


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_page_exists(line: str) -> None:
    assert parsed(line).startswith("mwaa-dr ")


def test_the_page_has_every_command_of_an_operator() -> None:
    shown = {parsed(line) for line in LINES}
    moves = ("failover", "failback", "drill", "approve", "status", "report", "rerun")
    assert {f"mwaa-dr {name}" for name in (*moves, "code restore", "backups list")} <= shown


@pytest.mark.parametrize("status", set(IncidentStatus) - {IncidentStatus.SUCCEEDED})
def test_the_page_says_what_each_bad_end_means(status: IncidentStatus) -> None:
    assert f"| `{status}`" in PAGE
