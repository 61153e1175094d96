"""What each example registers fits pulumi_aws and what AWS takes, before any engine runs it."""

import pytest
from program_run import run_program, settings_of
from test_examples import EXAMPLES, configuration, settings
from test_existing import THERE

from contract.sites import Site
from tests.access.test_limits import refusals
from tests.access.test_resources import misfits


@pytest.mark.parametrize("site", Site)
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_aws_takes_what_an_example_registers(folder, site):
    nothing = dict.fromkeys(settings_of(site))
    region = configuration(folder, site)["aws:region"]
    given = {**nothing, **settings(folder, site)}
    made = run_program(site, given, region=region, there=THERE)
    assert made.resources
    for one in made.resources:
        assert misfits(one.type, one.inputs) == [], one.urn
        assert refusals(one) == [], one.urn
