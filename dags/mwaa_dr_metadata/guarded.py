"""One import per database at a time, and another try where the database only met somebody else."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.engine import Engine

from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.errors import TargetRefusedError

logger = logging.getLogger(__name__)

LOCK = 0x6D776161_6472
"""Advisory lock; bound to a transaction, as PgBouncer needs it."""
ATTEMPTS = 4
WAIT_SECONDS = 0.2
WORTH_ANOTHER_TRY = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock time-out: a live parser was in the way."""

Result = TypeVar("Result")


@contextmanager
def exclusive(engine: Engine, patience: float = 0) -> Iterator[None]:
    """Hold the target for one import, whose parts work on other connections.

    Args:
        patience: seconds to wait for another import to end.

    Raises:
        TargetRefusedError: another import holds it.
    """
    end = time.monotonic() + patience
    with transaction(engine) as session:
        # It only waits, and has no locks of its own that the parts could meet.
        session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        while not session.value("SELECT pg_try_advisory_xact_lock(%s)", [LOCK]):
            if time.monotonic() >= end:
                raise TargetRefusedError("another import writes this target now; wait for it")
            time.sleep(WAIT_SECONDS)
        yield


def again_if_worth_it(work: Callable[[], Result]) -> Result:
    """Do a whole transaction, again if the database says that it only met another one."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except Exception as error:
            code = getattr(error, "pgcode", None) or getattr(
                getattr(error, "orig", None), "pgcode", None
            )
            if code not in WORTH_ANOTHER_TRY or attempt == ATTEMPTS:
                raise
            logger.warning("the database asks to try again (%s), attempt %s", code, attempt)
            time.sleep(WAIT_SECONDS * attempt)
    raise AssertionError("unreachable")
