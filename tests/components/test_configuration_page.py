"""docs/configuration.md says what the settings are, and what it shows can be used."""

import re

import pytest
import yaml
from program_run import ROOT
from test_settings import LEAST

from components.settings import parse
from components.settings.document import PAGE, page

TEXT = PAGE.read_text()
SNIPPETS = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


def test_the_reference_is_what_the_settings_are():
    assert page(TEXT) == TEXT, "run `python -m components.settings.document`"


@pytest.mark.parametrize("snippet", SNIPPETS, ids=",".join)
def test_what_the_page_shows_can_be_used(snippet):
    settings = {key.removeprefix("mwaa-dr:"): value for key, value in snippet.items()}
    least = dict(LEAST)
    if settings.get("existing", {}).get("primary", {}).get("environment"):
        del least["environment"]
    parse({**least, **settings})


def test_every_example_is_linked():
    for folder in (ROOT / "examples").iterdir():
        assert f"(../examples/{folder.name})" in TEXT


def test_links_lead_somewhere():
    headings = {
        "".join(one for one in title.lower().replace(" ", "-") if one.isalnum() or one in "-_")
        for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (PAGE.parent / target).exists(), target
