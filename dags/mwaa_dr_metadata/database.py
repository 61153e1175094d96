"""Reaches the metadata database from what the environment says.

The engine is made by `sqlalchemy.create_engine`, never by psycopg2 alone: MWAA's images swap in
short-lived IAM tokens with a listener on SQLAlchemy's engine class, and only from exactly the host,
port, database and user that MWAA itself uses.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from mwaa_dr_metadata.errors import DatabaseRefusedError, DatabaseSettingsError
from mwaa_dr_metadata.session import Session

DRIVER = "postgresql+psycopg2"
CONNECT_ARGS = {
    "connect_timeout": 15,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 5,
}
"""What MWAA's own images use: a lost network is noticed in under a minute."""

REFUSED_BY_AIRFLOW_3 = "airflow-db-not-allowed"
"""What Airflow 3 puts into `SQL_ALCHEMY_CONN` of a task; the other variables stay as they were."""

URL_VARIABLES = (
    "AIRFLOW__CELERY__RESULT_BACKEND",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
)
LOOKED_FOR = (
    "MWAA__DB__POSTGRES_HOST with MWAA__DB__CREDENTIALS, POSTGRES_HOST with DB_SECRETS, and "
    + ", ".join(URL_VARIABLES)
)
REFUSAL = (
    f"Airflow 3 keeps the metadata database from its tasks, and nothing else here leads to it "
    f"(looked for {LOOKED_FOR}). So nothing that is only in the database can be backed up or "
    "restored by this environment: run history, XComs, variables, connections, pools, roles, "
    "which DAGs are paused, and where each schedule is. Check that no startup script or "
    "configuration option hides these variables from tasks. If MWAA itself withholds them: keep "
    "variables and connections in a secrets backend that the DR Region reads too, keep pools and "
    "pause states in code, and give DAGs that catch up a start date from which running again does "
    "no harm, since a recovery without a backup begins at it"
)


def engine_from_env(environ: Mapping[str, str]) -> Engine:
    """An engine on the metadata database of this environment, one connection per use.

    The sources, best first: `MWAA__DB__*`, `DB_SECRETS` with `POSTGRES_*`, then the URLs of
    `URL_VARIABLES`. MWAA does not encode user and password inside its URLs, so parts are safer.

    Raises:
        DatabaseRefusedError: this is a task of Airflow 3, and no other way to its database is left;
            the message says what that costs and what to do.
        DatabaseSettingsError: none of them is usable; the message names what was looked for.
    """
    return engine_from_url(_url(environ))


def engine_from_url(url: URL | str) -> Engine:
    """An engine on any PostgreSQL, with the same time-outs.

    Raises:
        DatabaseSettingsError: the URL is not one of PostgreSQL.
    """
    return create_engine(_postgres(url, "the database URL"), poolclass=NullPool, **_ENGINE)


_ENGINE: dict[str, Any] = {"connect_args": CONNECT_ARGS}


def _url(environ: Mapping[str, str]) -> URL:
    for user, password, prefix, ssl_mode in (
        (*_mwaa_user(environ), "MWAA__DB__POSTGRES_", environ.get("MWAA__DB__POSTGRES_SSLMODE")),
        (*_json_user(environ, "DB_SECRETS"), "POSTGRES_", environ.get("SSL_MODE")),
    ):
        host = environ.get(f"{prefix}HOST")
        if host and user:
            return URL.create(
                DRIVER,
                username=user,
                password=password,
                host=host,
                port=int(environ.get(f"{prefix}PORT") or 5432),
                database=environ.get(f"{prefix}DB") or "AirflowMetadata",
                query={"sslmode": ssl_mode or "require"},
            )
    texts = {name: environ.get(name, "").removeprefix("db+") for name in URL_VARIABLES}
    refused = {name for name, text in texts.items() if text.startswith(REFUSED_BY_AIRFLOW_3)}
    for name, text in texts.items():
        if text and name not in refused:
            return _postgres(text, name)
    if refused:
        raise DatabaseRefusedError(REFUSAL)
    raise DatabaseSettingsError(
        f"nothing here says how to reach the metadata database; looked for {LOOKED_FOR}; run this "
        "in an MWAA environment, or set the last of them"
    )


def _postgres(url: URL | str, source: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseSettingsError(f"{source} is not a database URL") from error
    if not parsed.drivername.startswith("postgres"):
        raise DatabaseSettingsError(
            f"{source} is a database of kind {parsed.drivername!r}; only PostgreSQL, which MWAA "
            "runs on, is supported"
        )
    return parsed.set(drivername=DRIVER)


def _mwaa_user(environ: Mapping[str, str]) -> tuple[str, str]:
    user, password = _json_user(environ, "MWAA__DB__CREDENTIALS")
    return (
        user or environ.get("MWAA__DB__POSTGRES_USER", ""),
        password or environ.get("MWAA__DB__POSTGRES_PASSWORD", ""),
    )


def _json_user(environ: Mapping[str, str], variable: str) -> tuple[str, str]:
    text = environ.get(variable)
    if not text:
        return "", ""
    try:
        secret = json.loads(text)
        return str(secret["username"]), str(secret["password"])
    except (ValueError, KeyError, TypeError):
        raise DatabaseSettingsError(
            f"{variable} is not a JSON object with `username` and `password`"
        ) from None


def fernet_from_env(environ: Mapping[str, str]) -> MultiFernet | None:
    """The key that Airflow's secrets are encrypted with; None if the environment has none.

    Several keys, separated by commas, are an ongoing rotation: the first encrypts, all decrypt.

    Raises:
        DatabaseSettingsError: a key is malformed. The key itself is never shown.
    """
    return fernet_from_keys(environ.get("AIRFLOW__CORE__FERNET_KEY", ""))


def fernet_from_keys(text: str) -> MultiFernet | None:
    """`fernet_from_env` for a comma separated list of keys."""
    keys = [key.strip() for key in text.split(",") if key.strip()]
    if not keys:
        return None
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise DatabaseSettingsError(
            "AIRFLOW__CORE__FERNET_KEY: a key is not 32 url-safe base64-encoded bytes"
        ) from None


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """One connection and one transaction: committed at the end, rolled back on any error."""
    connection = engine.raw_connection()
    try:
        session = Session(connection)
        session.prepare()
        yield session
        connection.commit()
    except BaseException:
        with suppress(Exception):  # a connection that is lost has rolled back already
            connection.rollback()
        raise
    finally:
        connection.close()
