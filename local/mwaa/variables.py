"""The environment variables of an environment's containers, as MWAA sets them.

MWAA's image builds them in layers, each winning over the one before: the container's own, what
MWAA recommends, the startup script's exports, the customer's Airflow configuration options, what
MWAA protects, what MWAA needs (github.com/aws/amazon-mwaa-docker-images, `mwaa/config`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.mwaa import family
from local.mwaa.family import Component
from local.mwaa.install import python_of
from local.mwaa.metrics import ALLOWED

SSL_MODE = "prefer"
"""MWAA's is `require`; the local clusters have no certificate."""


@dataclass(frozen=True, slots=True)
class Database:
    host: str
    port: int
    name: str
    user: str
    password: str

    @property
    def url(self) -> str:
        """As MWAA builds it: user and password are not URL-encoded."""
        return (
            f"postgresql+psycopg2://{self.user}:{self.password}@{self.host}:{self.port}"
            f"/{self.name}?sslmode={SSL_MODE}"
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What the variables of one environment are made from.

    Args:
        aws: how the AWS SDKs in the environment reach AWS: endpoint and credentials.
        home: the environment's folder; `dags`, `plugins` and `logs` are below it.
        secret: key of the web server's sessions and tokens.
        options: the customer's Airflow configuration options.
        clock: variables that set the clock of all that runs there.
    """

    name: str
    environment_id: str
    region: str
    account: str
    version: str
    aws: Mapping[str, str]
    home: Path
    database: Database
    fernet_key: str
    secret: str
    web_port: int
    statsd_port: int
    options: Mapping[str, str]
    clock: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layers:
    """Variables before (`below`) and after (`above`) the startup script's exports."""

    below: dict[str, str]
    above: dict[str, str]

    def compose(self, exports: Mapping[str, str]) -> dict[str, str]:
        return {**self.below, **exports, **self.above}


def option_variable(option: str) -> str:
    """`core.parallelism` as `AIRFLOW__CORE__PARALLELISM`."""
    section, _, key = option.partition(".")
    return f"AIRFLOW__{section}__{key}".upper()


def _container(facts: Facts) -> dict[str, str]:
    binaries = python_of(facts.version).parent
    return {
        "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(facts.home),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **facts.clock,
        **facts.aws,
    }


def _recommended(facts: Facts) -> dict[str, str]:
    return {
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__METRICS__METRICS_ALLOW_LIST": ",".join(ALLOWED),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        **_family_variables(facts),
    }


def _family_variables(facts: Facts) -> dict[str, str]:
    return {
        key: value.format(port=facts.web_port, secret=facts.secret)
        for key, value in family.of(facts.version).variables.items()
    }


def _protected(facts: Facts, component: Component) -> dict[str, str]:
    database = facts.database
    credentials = json.dumps({"username": database.user, "password": database.password})
    return {
        "MWAA__DB__CREDENTIALS": credentials,
        "MWAA__DB__POSTGRES_HOST": database.host,
        "MWAA__DB__POSTGRES_PORT": str(database.port),
        "MWAA__DB__POSTGRES_DB": database.name,
        "MWAA__DB__POSTGRES_USER": database.user,
        "MWAA__DB__POSTGRES_PASSWORD": database.password,
        "MWAA__DB__POSTGRES_SSLMODE": SSL_MODE,
        "MWAA__CORE__FERNET_KEY": json.dumps({"FernetKey": facts.fernet_key}),
        "MWAA_AIRFLOW_COMPONENT": component.value,
        "DB_SECRETS": credentials,
        "POSTGRES_HOST": database.host,
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DB": database.name,
        "SSL_MODE": SSL_MODE,
        "AIRFLOW_ENV_NAME": facts.name,
        "AIRFLOW_ENV_ID": facts.environment_id,
        "AIRFLOW_VERSION": facts.version,
        "CUSTOMER_ACCOUNT_ID": facts.account,
        "AWS_REGION": facts.region,
        "AWS_DEFAULT_REGION": facts.region,
    }


def _essential(facts: Facts) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(facts.home),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(facts.home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(facts.home / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": facts.fernet_key,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": facts.database.url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{facts.database.url}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(facts.home / "logs"),
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(facts.statsd_port),
        "AIRFLOW__METRICS__STATSD_PREFIX": "airflow",
        "AIRFLOW__API__AUTH_BACKENDS": family.auth_backend(facts.version),
        **{
            key: value
            for key, value in _family_variables(facts).items()
            if key.endswith(("SECRET_KEY", "JWT_SECRET", "_URL", "AUTH_MANAGER"))
        },
    }


def layers(facts: Facts, component: Component) -> Layers:
    """The variables of one container; nothing is inherited from the process that asks."""
    return Layers(
        below={
            **_container(facts),
            **_recommended(facts),
            **_protected(facts, component),
            **_essential(facts),
        },
        above={
            **{option_variable(key): value for key, value in facts.options.items()},
            **_protected(facts, component),
            **_essential(facts),
        },
    )
