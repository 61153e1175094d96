"""The one way in which moto is changed: visibly, and with an error when moto has moved on."""

from collections.abc import Callable
from typing import Any


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:  # noqa: ANN401
    """Replace `owner.name` by `make(original)`.

    Raises:
        AttributeError: this release of moto has no such name, so the patch no longer fits.
    """
    if not hasattr(owner, name):
        raise AttributeError(f"{owner!r} has no {name!r}: this release of moto needs another patch")
    setattr(owner, name, make(getattr(owner, name)))


def put(owner: Any, name: str, value: Any) -> None:  # noqa: ANN401
    """Replace `owner.name`, which must exist, by `value`."""
    replace(owner, name, lambda _: value)


def add(owner: Any, name: str, value: Any) -> None:  # noqa: ANN401
    """Give `owner` something that moto lacks.

    Raises:
        AttributeError: moto has it by now; the patch should go.
    """
    if hasattr(owner, name):
        raise AttributeError(f"{owner!r} has {name!r} by now: drop the patch that adds it")
    setattr(owner, name, value)
