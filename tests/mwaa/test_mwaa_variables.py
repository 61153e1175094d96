"""Environment variables, layer by layer."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.mwaa.family import Component
from local.mwaa.variables import Database, Facts, layers, option_variable


def facts(**changes: Any) -> Facts:
    base = {
        "name": "env",
        "environment_id": "id-1",
        "region": "us-west-2",
        "account": "123456789012",
        "version": "2.10.3",
        "aws": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        "home": Path("/home/env"),
        "database": Database("127.0.0.1", 5555, "AirflowMetadata", "airflow_user", "p@ss:word"),
        "fernet_key": "fernet",
        "secret": "secret",
        "web_port": 8080,
        "statsd_port": 8125,
        "options": {},
    }
    return Facts(**{**base, **changes})


def variables(exports: dict[str, str] | None = None, **changes: Any) -> dict[str, str]:
    return layers(facts(**changes), Component.SCHEDULER).compose(exports or {})


def test_database_is_given_in_every_way_that_mwaa_gives_it() -> None:
    env = variables()
    url = (
        "postgresql+psycopg2://airflow_user:p@ss:word@127.0.0.1:5555/AirflowMetadata?sslmode=prefer"
    )
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == url
    assert env["AIRFLOW__CELERY__RESULT_BACKEND"] == f"db+{url}"
    credentials = {"username": "airflow_user", "password": "p@ss:word"}
    assert json.loads(env["MWAA__DB__CREDENTIALS"]) == credentials
    assert json.loads(env["DB_SECRETS"]) == credentials
    assert (env["POSTGRES_HOST"], env["POSTGRES_PORT"]) == ("127.0.0.1", "5555")
    assert env["POSTGRES_DB"] == env["MWAA__DB__POSTGRES_DB"] == "AirflowMetadata"
    assert env["SSL_MODE"] == env["MWAA__DB__POSTGRES_SSLMODE"] == "prefer"
    assert json.loads(env["MWAA__CORE__FERNET_KEY"]) == {"FernetKey": "fernet"}
    assert env["AIRFLOW__CORE__FERNET_KEY"] == "fernet"


def test_identity_of_the_environment_is_given() -> None:
    env = variables()
    assert env["AIRFLOW_ENV_NAME"] == "env"
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-west-2"
    assert env["AIRFLOW_VERSION"] == "2.10.3"
    assert env["MWAA_AIRFLOW_COMPONENT"] == "scheduler"


def test_option_becomes_a_variable_of_its_section() -> None:
    assert option_variable("mwaa_dr.copy_mode") == "AIRFLOW__MWAA_DR__COPY_MODE"
    assert variables(options={"mwaa_dr.site": "dr"})["AIRFLOW__MWAA_DR__SITE"] == "dr"


def test_customer_option_beats_the_script_and_the_script_beats_the_recommended() -> None:
    key = "AIRFLOW__CORE__PARALLELISM"
    assert variables()[key] == "8"
    assert variables({key: "9"})[key] == "9"
    assert variables({key: "9"}, options={"core.parallelism": "10"})[key] == "10"


@pytest.mark.parametrize(
    "key",
    [
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__METRICS__STATSD_ON",
        "MWAA__DB__POSTGRES_HOST",
        "AIRFLOW_ENV_NAME",
        "AWS_REGION",
    ],
)
def test_protected_variable_cannot_be_changed(key: str) -> None:
    section, _, option = key.removeprefix("AIRFLOW__").partition("__")
    options = {f"{section}.{option}".lower(): "mine"} if key.startswith("AIRFLOW__") else {}

    assert variables({key: "mine"}, options=options)[key] == variables()[key] != "mine"


def test_nothing_of_the_calling_process_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")

    assert not {"PYTHONPATH", "VIRTUAL_ENV", "AIRFLOW__CORE__UNIT_TEST_MODE"} & variables().keys()


def test_airflow_3_gets_its_own_settings() -> None:
    env = variables(version="3.0.6")
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8080/execution/"
    assert env["AIRFLOW__API_AUTH__JWT_SECRET"] == "secret"
    assert "AIRFLOW__WEBSERVER__SECRET_KEY" not in env
