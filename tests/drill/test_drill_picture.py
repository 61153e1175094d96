"""The dashboard of a lost Region is drawn from what its CloudWatch knew."""

from typing import Any

import pytest

from local.drill.picture import metrics_of_the_lost_region


class Recorder:
    """A control that only writes down what it is asked for."""

    def __init__(self, **outage: Any) -> None:
        self.outage = {"region": "us-east-1", "services": None, "lose_environments": True, **outage}
        self.asked: list[tuple[str, Any]] = []

    def state(self):
        return {"outages": [self.outage]}

    def begin_outage(self, region, *, mode, services, **_):
        assert mode != "environment", "an environment needs its name"
        self.asked.append((region, services))


@pytest.mark.parametrize(
    ("mode", "asked"),
    [("hang", [("us-east-1", ["s3"]), ("us-east-1", None)]), ("environment", [])],
)
def test_only_a_lost_region_is_lent_its_metrics_and_is_lost_again(mode, asked):
    control = Recorder(mode=mode)
    with metrics_of_the_lost_region(control):
        assert control.asked == asked[:1]
    assert control.asked == asked
