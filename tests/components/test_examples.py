"""The example stack files: each is whole, and both stacks of one say the same."""

import pytest
import yaml
from program_run import ROOT

from components.settings import in_file, parse
from contract.sites import Site

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/Pulumi.dr.yaml"))


def configuration(folder, site):
    return yaml.safe_load((folder / f"Pulumi.{site}.yaml").read_text())["config"]


def settings(folder, site):
    return in_file(folder / f"Pulumi.{site}.yaml")


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_can_be_loaded_by_both_stacks(folder):
    assert settings(folder, Site.PRIMARY) == settings(folder, Site.DR)
    parsed = parse(settings(folder, Site.DR))
    for site in Site:
        assert configuration(folder, site)["aws:region"] == parsed.region(site)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_says_in_a_few_lines_what_it_is_for(folder):
    title, _, *text = (folder / "README.md").read_text().splitlines()
    assert title == f"# {folder.name}"
    assert 1 <= len(text) <= 3
