"""The database is found in the order that is safest on MWAA."""

import json

import pytest
from cryptography.fernet import Fernet

from mwaa_dr_metadata.database import engine_from_env, fernet_from_env
from mwaa_dr_metadata.errors import DatabaseRefusedError, DatabaseSettingsError

HOSTILE = "p@ss:/w%40rd?#&="
MWAA = {
    "MWAA__DB__CREDENTIALS": json.dumps({"username": "airflow_user", "password": HOSTILE}),
    "MWAA__DB__POSTGRES_HOST": "mwaa-host",
    "MWAA__DB__POSTGRES_PORT": "5433",
    "MWAA__DB__POSTGRES_DB": "AirflowMetadata",
    "MWAA__DB__POSTGRES_SSLMODE": "",
}
PRODUCTION = {
    "DB_SECRETS": json.dumps({"username": "adminuser", "password": HOSTILE}),
    "POSTGRES_HOST": "production-host",
}
CELERY = {"AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://u:p@celery-host:5432/db"}
AIRFLOW = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://u:p@airflow-host/db"}
CORE = {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgres://u:p@core-host/db"}
BLOCKED = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "airflow-db-not-allowed:///",
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "airflow-db-not-allowed:///",
}


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({**MWAA, **PRODUCTION, **CELERY, **AIRFLOW}, "mwaa-host"),
        ({**PRODUCTION, **CELERY, **AIRFLOW}, "production-host"),
        ({**CELERY, **AIRFLOW}, "celery-host"),
        ({**CELERY, **BLOCKED}, "celery-host"),
        ({**AIRFLOW, **CORE}, "airflow-host"),
        (CORE, "core-host"),
    ],
)
def test_the_safest_source_wins(environ, host):
    url = engine_from_env(environ).url
    assert url.host == host
    assert url.drivername == "postgresql+psycopg2"


def test_parts_are_never_read_out_of_an_unencoded_url():
    url = engine_from_env(MWAA).url
    assert (url.username, url.password, url.port) == ("airflow_user", HOSTILE, 5433)
    assert url.query["sslmode"] == "require"
    assert engine_from_env(PRODUCTION).url.database == "AirflowMetadata"


def test_user_and_password_may_come_apart():
    environ = {
        **MWAA,
        "MWAA__DB__CREDENTIALS": "",
        "MWAA__DB__POSTGRES_USER": "u",
        "MWAA__DB__POSTGRES_PASSWORD": "p",
        "MWAA__DB__POSTGRES_SSLMODE": "disable",
    }
    url = engine_from_env(environ).url
    assert (url.username, url.password, url.query["sslmode"]) == ("u", "p", "disable")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "MWAA__DB__POSTGRES_HOST"),
        (BLOCKED, "AIRFLOW__CELERY__RESULT_BACKEND"),
        ({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////x.db"}, "sqlite"),
        ({**MWAA, "MWAA__DB__CREDENTIALS": "not json"}, "MWAA__DB__CREDENTIALS"),
        ({**PRODUCTION, "DB_SECRETS": '{"username": "u"}'}, "DB_SECRETS"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is_shown(environ, named):
    with pytest.raises(DatabaseSettingsError, match=named) as error:
        engine_from_env(environ)
    assert HOSTILE not in str(error.value)


def test_a_task_that_airflow_3_refuses_its_database_learns_what_that_costs_and_what_to_do():
    with pytest.raises(DatabaseRefusedError) as error:
        engine_from_env(BLOCKED)
    for words in ("run history", "connections", "pause", "secrets backend", "start date"):
        assert words in str(error.value)
    with pytest.raises(DatabaseSettingsError) as other:
        engine_from_env({})
    assert not isinstance(other.value, DatabaseRefusedError), "nobody refused anything here"


def test_a_fernet_list_encrypts_with_the_first_and_opens_with_all():
    old, new = Fernet.generate_key(), Fernet.generate_key()
    fernet = fernet_from_env({"AIRFLOW__CORE__FERNET_KEY": f"{new.decode()}, {old.decode()}"})
    assert fernet is not None
    assert fernet.decrypt(Fernet(old).encrypt(b"x")) == b"x"
    assert Fernet(new).decrypt(fernet.encrypt(b"x")) == b"x"


def test_an_environment_may_have_no_fernet_key():
    assert fernet_from_env({}) is None
    assert fernet_from_env({"AIRFLOW__CORE__FERNET_KEY": ""}) is None


def test_a_malformed_fernet_key_is_not_shown():
    with pytest.raises(DatabaseSettingsError, match="FERNET_KEY") as error:
        fernet_from_env({"AIRFLOW__CORE__FERNET_KEY": "hush-hush"})
    assert "hush-hush" not in str(error.value)
