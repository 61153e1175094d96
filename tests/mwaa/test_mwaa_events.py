"""The event of a changed status: on its Region's bus, and nobody waits for it."""

import json
import logging
import threading

from botocore.exceptions import EndpointConnectionError

from local.mwaa.events import announce
from local.mwaa.record import Place

PLACE = Place("us-east-1", "123456789012")


class Bus:
    """Stands for the Region's bus; `broken` does not answer."""

    def __init__(self, *, broken=False):
        self.broken, self.entries, self.asked = broken, [], threading.Event()

    def client(self, service, region):
        assert (service, region) == ("events", "us-east-1")
        return self

    def put_events(self, *, Entries):  # noqa: N803 - AWS's name
        self.asked.set()
        if self.broken:
            raise EndpointConnectionError(endpoint_url="http://lost")
        self.entries += Entries


def announced(bus):
    announce(bus, PLACE, "etl", "UNAVAILABLE")
    assert bus.asked.wait(5)
    for thread in threading.enumerate():
        if thread.name == "event-etl":
            thread.join(5)


def test_a_change_of_status_is_put_on_the_bus_of_its_region():
    bus = Bus()
    announced(bus)
    (entry,) = bus.entries
    assert (entry["Source"], entry["DetailType"]) == (
        "aws.airflow",
        "MWAA Environment Status Change",
    )
    assert json.loads(entry["Detail"])["status"] == "UNAVAILABLE"
    assert entry["Resources"] == ["arn:aws:airflow:us-east-1:123456789012:environment/etl"]


def test_a_bus_that_does_not_answer_is_only_logged(caplog):
    with caplog.at_level(logging.WARNING):
        announced(Bus(broken=True))
    assert "UNAVAILABLE was not announced" in caplog.text
