"""What MWAA itself publishes to CloudWatch, as far as anything here reads or shows it.

The names are those of the MWAA user guide, "Apache Airflow environment metrics in CloudWatch" and
"Container, queue, and database metrics for Amazon MWAA". The guide names the groups of dimensions;
their exact spelling (`DatabaseRole`, queues with `Environment` alone) is taken from dashboards that
run against MWAA, so nothing here may depend on a data point being there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from contract.metrics import AIRFLOW_NAMESPACE, INFRASTRUCTURE_NAMESPACE


class Cluster(StrEnum):
    """The kinds of containers of an environment."""

    SCHEDULER = "Scheduler"
    BASE_WORKER = "BaseWorker"
    ADDITIONAL_WORKER = "AdditionalWorker"
    WEB_SERVER = "WebServer"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of an environment."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)

    def of(self, environment: str) -> dict[str, str]:
        """All dimensions of this metric of one environment."""
        return {**self.dimensions, "Environment": environment}


def _airflow(name: str, function: str) -> Metric:
    return Metric(AIRFLOW_NAMESPACE, name, {"Function": function})


SCHEDULER_HEARTBEAT = _airflow("SchedulerHeartbeat", "Scheduler")
TRIGGERER_HEARTBEAT = _airflow("TriggererHeartbeat", "Triggerer")
QUEUED_TASKS = _airflow("QueuedTasks", "Executor")
RUNNING_TASKS = _airflow("RunningTasks", "Executor")
DAG_BAG_SIZE = _airflow("DagBagSize", "DAG Processing")
IMPORT_ERRORS = _airflow("ImportErrors", "DAG Processing")
PARSE_SECONDS = _airflow("TotalParseTime", "DAG Processing")
AIRFLOW = (
    SCHEDULER_HEARTBEAT,
    TRIGGERER_HEARTBEAT,
    QUEUED_TASKS,
    RUNNING_TASKS,
    DAG_BAG_SIZE,
    IMPORT_ERRORS,
    PARSE_SECONDS,
)

OLDEST_TASK_AGE = Metric(INFRASTRUCTURE_NAMESPACE, "ApproximateAgeOfOldestTask")
DATABASE_FREE_MEMORY = Metric(
    INFRASTRUCTURE_NAMESPACE, "FreeableMemory", {"DatabaseRole": "WRITER"}
)
DATABASE_CONNECTIONS = Metric(
    INFRASTRUCTURE_NAMESPACE, "DatabaseConnections", {"DatabaseRole": "WRITER"}
)


def cpu(cluster: Cluster) -> Metric:
    return Metric(INFRASTRUCTURE_NAMESPACE, "CPUUtilization", {"Cluster": cluster.value})


def memory(cluster: Cluster) -> Metric:
    return Metric(INFRASTRUCTURE_NAMESPACE, "MemoryUtilization", {"Cluster": cluster.value})


INFRASTRUCTURE = (
    OLDEST_TASK_AGE,
    DATABASE_FREE_MEMORY,
    DATABASE_CONNECTIONS,
    *(metric(cluster) for cluster in Cluster for metric in (cpu, memory)),
)
