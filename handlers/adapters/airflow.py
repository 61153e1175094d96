"""What a function asks of Airflow itself: an accelerator, never a way that recovery depends on."""

import logging
from typing import TYPE_CHECKING, Any

from contract.names import AGENT_DAG
from handlers.adapters.answers import AWS_ERRORS

if TYPE_CHECKING:
    from mypy_boto3_mwaa import MWAAClient

logger = logging.getLogger(__name__)

RUNS = f"/dags/{AGENT_DAG}/dagRuns"
BODIES: tuple[dict[str, Any], ...] = (
    {"conf": {}},  # Airflow 2
    {"conf": {}, "logical_date": None},  # Airflow 3 demands the key
)


def run_agent(client: "MWAAClient", environment: str) -> bool:
    """Ask an environment's Airflow to run the agent now; whether it took the run."""
    for body in BODIES:
        try:
            client.invoke_rest_api(Name=environment, Path=RUNS, Method="POST", Body=body)
        except client.exceptions.RestApiClientException as error:
            logger.info("Airflow did not take the run: %s", error)
        except AWS_ERRORS as error:
            logger.info("the Airflow of %s is not reachable by REST: %s", environment, error)
            return False
        else:
            return True
    return False
