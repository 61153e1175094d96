"""Keeps every business DAG of a site without the epoch paused, from inside the database.

A DAG whose code says `is_paused_upon_creation=False` is un-paused when it is first parsed, and
would run until somebody sweeps. A row trigger leaves no such moment, and holds against the web
interface too. The role that MWAA gives an environment may make one: it is a member of the role that
owns the tables.
"""

import logging

from psycopg2 import errors
from sqlalchemy.engine import Engine

from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.guarded import again_if_worth_it
from mwaa_dr_metadata.rules import OWN_PREFIX
from mwaa_dr_metadata.session import Session, literal

logger = logging.getLogger(__name__)

NAME = f"{OWN_PREFIX}hold_paused"
_HELD = "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'dag'::regclass AND tgname = %s)"
_BRIEFLY = "SET LOCAL lock_timeout = '2s'"
"""Whoever waits for the whole table lets everybody else wait behind it."""
_FUNCTION = (
    f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN NEW.is_paused := TRUE; RETURN NEW; END$$"
)
_TRIGGER = (
    f"CREATE TRIGGER {NAME} BEFORE INSERT OR UPDATE OF is_paused ON dag FOR EACH ROW "
    f"WHEN (NEW.is_paused IS NOT TRUE AND left(NEW.dag_id, {len(OWN_PREFIX)}) <> "
    f"{literal(OWN_PREFIX)}) EXECUTE FUNCTION {NAME}()"
)


def hold(engine: Engine) -> bool:
    """See that no business DAG can be un-paused; return whether that had to be set up.

    Where the database does not allow it, that is logged and sweeping has to do.
    """

    def work() -> bool:
        with transaction(engine) as session:
            if is_held(session):
                return False
            session.execute(_BRIEFLY)
            session.execute(_FUNCTION)
            session.execute(_TRIGGER)
        return True

    try:
        return again_if_worth_it(work)
    except errors.InsufficientPrivilege:
        logger.warning("this role may not make a trigger on the table dag: DAGs are swept instead")
        return False


def is_held(session: Session) -> bool:
    """Whether DAGs are held."""
    return bool(session.value(_HELD, [NAME]))


def release(session: Session) -> None:
    """Let DAGs be un-paused again."""
    if is_held(session):
        session.execute(_BRIEFLY)
        session.execute(f"DROP TRIGGER {NAME} ON dag")
