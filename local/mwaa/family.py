"""What differs between Airflow 2 and 3 when an environment is run: one table.

The names are Airflow's own commands, paths and configuration keys of the releases in
`local.mwaa.install.RELEASES`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Component(StrEnum):
    """The containers of an environment, as `MWAA_AIRFLOW_COMPONENT` calls them.

    Tasks run in the scheduler's container here, as on the class mw1.micro.
    """

    SCHEDULER = "scheduler"
    WEBSERVER = "webserver"


@dataclass(frozen=True, slots=True)
class Family:
    """How one major version is run.

    Args:
        api: prefix of the REST API that InvokeRestApi forwards to.
        health: path that tells the state of the scheduler and the database.
        processes: arguments of `airflow` for each process of a container; `{port}` is the web
            server's.
        variables: configuration that only this family has, with `{port}` and `{secret}`.
        bearer: whether the REST API wants a token of `/auth/token` instead of basic auth.
    """

    api: str
    health: str
    processes: dict[Component, tuple[tuple[str, ...], ...]]
    variables: dict[str, str]
    bearer: bool


AIRFLOW_2 = Family(
    api="/api/v1",
    health="/health",
    processes={
        Component.SCHEDULER: (
            ("scheduler", "--skip-serve-logs"),
            ("triggerer", "--skip-serve-logs"),
        ),
        Component.WEBSERVER: (("webserver", "--hostname", "127.0.0.1", "--port", "{port}"),),
    },
    variables={
        "AIRFLOW__WEBSERVER__SECRET_KEY": "{secret}",
        "AIRFLOW__WEBSERVER__WORKERS": "1",
        "AIRFLOW__WEBSERVER__BASE_URL": "http://127.0.0.1:{port}",
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
    },
    bearer=False,
)

AIRFLOW_3 = Family(
    api="/api/v2",
    health="/api/v2/monitor/health",
    processes={
        Component.SCHEDULER: (
            ("scheduler", "--skip-serve-logs"),
            ("dag-processor",),
            ("triggerer", "--skip-serve-logs"),
        ),
        Component.WEBSERVER: (
            ("api-server", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
        ),
    },
    variables={
        "AIRFLOW__API__SECRET_KEY": "{secret}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "{secret}",
        "AIRFLOW__API__BASE_URL": "http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # On MWAA the server that tasks report to shares its processors with nobody; here it may be
        # late, and a report that is sent twice fails the task.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
    },
    bearer=True,
)

_PROVIDER_SINCE = (2, 9)


def numbers(version: str) -> tuple[int, ...]:
    """`"2.10.3"` as `(2, 10, 3)`, so that versions compare."""
    return tuple(int(part) for part in version.split("."))


def of(version: str) -> Family:
    return AIRFLOW_2 if numbers(version)[0] == 2 else AIRFLOW_3  # noqa: PLR2004


def auth_backend(version: str) -> str:
    """Value of `[api] auth_backends` with which the emulator's own user may call the 2.x API."""
    if numbers(version) < _PROVIDER_SINCE:
        return "airflow.api.auth.backend.basic_auth"
    return "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth"
