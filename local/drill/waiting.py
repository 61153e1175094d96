"""Waits with a limit, and says what was missing when the limit is reached."""

import time
from collections.abc import Callable


class Patience:
    """How much longer than on a quiet machine with two processors everything may take."""

    factor = 1.0


class DrillError(Exception):
    """The drill cannot go on; the message says what did not happen."""


def wait_until(
    what: str, done: Callable[[], object], *, seconds: float, every: float = 1.0,
    missing: Callable[[], str] = str,
) -> None:  # fmt: skip
    """Wait until `done()` is true.

    Args:
        what: ends the sentence "it did not happen that ...".
        seconds: the limit on a quiet machine.
        missing: details for the error.

    Raises:
        DrillError: it did not come true within `seconds`.
    """
    seconds *= Patience.factor
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise DrillError(
                f"within {seconds:.0f} s it did not happen that {what}. {missing()}".strip()
            )
        time.sleep(every)
