"""What is carried and what is left out can be read, and the page says the same."""

import json

from click.testing import CliRunner

from cli.main import main
from cli.tables import markdown
from local.paths import ROOT
from mwaa_dr_metadata.rules import EXCLUDED, RULES


def test_the_page_is_up_to_date():
    page = ROOT / "docs" / "tables.md"
    assert page.read_text() == markdown(), "mwaa-dr metadata tables --markdown > docs/tables.md"


def test_the_command_tells_of_every_table():
    result = CliRunner().invoke(main, ["metadata", "tables", "--json"])
    told = json.loads(result.output)
    assert set(told["carried"]) == {rule.name for rule in RULES}
    assert told["left_out"].items() >= EXCLUDED.items()
    shown = CliRunner().invoke(main, ["metadata", "tables"], env={"COLUMNS": "200"}).output
    assert all(rule.name in shown for rule in RULES)
