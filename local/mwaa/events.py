"""The event that MWAA puts on the bus of its Region when an environment's status changes.

Source and detail-type are documented (EventBridge events reference, "Amazon Managed Workflows for
Apache Airflow events"), delivery as best effort; the members of the detail are a guess.
"""

import json
import logging
import threading

from botocore.exceptions import BotoCoreError, ClientError

from local.mwaa import record
from local.mwaa.aws import Aws
from local.mwaa.record import Place

log = logging.getLogger(__name__)
SOURCE = "aws.airflow"
DETAIL_TYPE = "MWAA Environment Status Change"


def announce(aws: Aws, place: Place, name: str, status: str) -> None:
    """Put the event, if the bus can be reached; nobody waits for it."""

    def put() -> None:
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps({"name": name, "status": status}),
            "Resources": [record.arn(place, name)],
        }
        try:
            aws.client("events", place.region).put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as error:
            log.warning("%s/%s: %s was not announced: %s", place.region, name, status, error)

    threading.Thread(target=put, daemon=True, name=f"event-{name}").start()
