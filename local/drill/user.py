"""What a user and an operator do to an environment: everything through MWAA's InvokeRestApi."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract.names import RECOVERY_DAG_PREFIX
from local.gateway.process import LocalAws

REST_ERRORS = (ClientError, BotoCoreError)
PAGE = 100
TRIES = 4
"""Airflow on a busy machine may need longer for an answer than MWAA waits for it."""


def client(aws: LocalAws, service: str, region: str) -> Any:  # noqa: ANN401 - any service
    """A boto3 client of the local AWS, apart from this process's own environment."""
    environment = aws.environment
    make: Any = boto3.client  # its types know each service by name only
    return make(
        service,
        region_name=region,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            connect_timeout=3,
            read_timeout=15,
            retries={"total_max_attempts": 2},
            inject_host_prefix=False,
        ),
    )


@dataclass(frozen=True, slots=True)
class Rest:
    """What differs between the REST APIs of Airflow's major versions.

    Args:
        run_due: fields of a run that say when it fell due; the first that is filled counts.
        next_due: field of a DAG that says when its next run falls due.
        trigger: what a request for a run must hold beside the user's wishes.
    """

    run_due: tuple[str, ...]
    next_due: str
    trigger: dict[str, Any]


RESTS = {
    2: Rest(("data_interval_end", "logical_date"), "next_dagrun_create_after", {}),
    # A run without a logical date is what a user who names none gets, and only 3 has it.
    3: Rest(("run_after",), "next_dagrun_run_after", {"logical_date": None}),
}
"""By Airflow's major version."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with the web interface of one environment open.

    Args:
        rest: the API that the environment's Airflow has.
    """

    aws: LocalAws
    region: str
    environment: str
    rest: Rest
    _mwaa: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mwaa", client(self.aws, "mwaa", self.region))

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One REST call; where twice is once it is tried again, as a person reloads a page.

        Raises what boto3 raises.
        """
        request: dict[str, Any] = {"Name": self.environment, "Method": method, "Path": path}
        if body is not None:
            request["Body"] = body
        if query is not None:
            request["QueryParameters"] = query
        again = TRIES - 1 if method != "POST" or path.endswith("/list") else 0
        while True:
            try:
                return self._mwaa.invoke_rest_api(**request).get("RestApiResponse") or {}
            except self._mwaa.exceptions.RestApiServerException:
                if not again:
                    raise
                again -= 1
                time.sleep(1)

    def status(self) -> str:
        """The environment's status; empty while it does not exist or cannot be asked."""
        try:
            return self._mwaa.get_environment(Name=self.environment)["Environment"]["Status"]
        except REST_ERRORS:
            return ""

    def dags(self) -> dict[str, dict[str, Any]]:
        """Business DAGs that are parsed, by id."""
        answer = self.call("GET", "/dags", query={"limit": PAGE})
        return {
            dag["dag_id"]: dag
            for dag in answer.get("dags", [])
            if not dag["dag_id"].startswith(RECOVERY_DAG_PREFIX)
        }

    def import_errors(self) -> list[str]:
        answer = self.call("GET", "/importErrors")
        return [item.get("stack_trace", "")[-500:] for item in answer.get("import_errors", [])]

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def add_variable(self, key: str, value: str) -> None:
        self.call("POST", "/variables", {"key": key, "value": value})

    def add_pool(self, name: str, slots: int) -> None:
        self.call("POST", "/pools", {"name": name, "slots": slots})

    def add_connection(self, connection: dict[str, Any]) -> None:
        self.call("POST", "/connections", connection)

    def trigger(self, dag_id: str, conf: dict[str, Any], note: str) -> None:
        request = {"conf": conf, "note": note, **self.rest.trigger}
        self.call("POST", f"/dags/{dag_id}/dagRuns", request)

    def with_a_run_due(self, by: datetime) -> set[str]:
        """Business DAGs whose next run falls due by then and is not made yet."""
        return {
            dag_id
            for dag_id, dag in self.dags().items()
            if (due := dag.get(self.rest.next_due)) and datetime.fromisoformat(due) <= by
        }

    def unfinished_runs(self, started_by: datetime | None = None) -> list[str]:
        """Business runs ("dag_id/run_id") that are queued or running.

        Args:
            started_by: leave out runs that fell due later.
        """
        answer = self.call(
            "POST", "/dags/~/dagRuns/list", {"states": ["queued", "running"], "page_limit": PAGE}
        )
        return [
            f"{run['dag_id']}/{run['dag_run_id']}"
            for run in answer.get("dag_runs", [])
            if not run["dag_id"].startswith(RECOVERY_DAG_PREFIX)
            and (started_by is None or self._due(run) <= started_by)
        ]

    def _due(self, run: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(next(run[name] for name in self.rest.run_due if run[name]))
