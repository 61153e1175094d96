"""Every kind of incident from its opening to its end, on real Step Functions."""

import pytest

from contract.sites import Site
from tests.handlers.stage import Stage

pytestmark = pytest.mark.engine


def test_a_lost_owner(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover() == "SUCCEEDED", stage.incident()
    print(stage.steps())
