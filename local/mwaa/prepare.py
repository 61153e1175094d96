"""Brings an environment's database to its Airflow version and makes the emulator's own user.

Run by that Airflow's interpreter (`python -P prepare.py`), in one process because importing
Airflow is most of the time it takes. User and password come in two variables.
"""

import os

from airflow.providers_manager import (  # pyright: ignore[reportMissingImports]
    ProvidersManager,
)
from airflow.utils import db  # pyright: ignore[reportMissingImports]
from werkzeug.security import generate_password_hash

USER, PASSWORD = os.environ.pop("PREPARE_USER"), os.environ.pop("PREPARE_PASSWORD")
HASH = "pbkdf2:sha256:1000"
"""Cheap on purpose: basic auth checks it at every call, and the password is random."""


def application_builder():  # noqa: ANN201
    try:
        from airflow.providers.fab.auth_manager.cli_commands.utils import (  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
            get_application_builder,
        )
    except ImportError:  # before 2.9 it was part of Airflow
        from airflow.utils.cli_app_builder import (  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
            get_application_builder,
        )
    return get_application_builder()


ProvidersManager().initialize_providers_configuration()  # on 3.x users are a provider's own
db.upgradedb()
with application_builder() as builder:
    manager = builder.sm
    hashed = generate_password_hash(PASSWORD, method=HASH)
    user = manager.find_user(username=USER)
    if user:
        user.password = hashed
        manager.update_user(user)
    elif not manager.add_user(
        username=USER,
        first_name="Amazon",
        last_name="MWAA",
        email=f"{USER}@airflow.invalid",
        role=manager.find_role("Admin"),
        hashed_password=hashed,
    ):
        raise SystemExit(f"could not make the user {USER}")
