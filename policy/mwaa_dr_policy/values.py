"""Values that may not be known yet, and how a rule asks about them without guessing.

In a preview some properties have no value. A rule written as plain Python must neither take such a
property for absent nor for equal to something, so touching one raises `UndecidedError`; what runs
the rule turns that into a note and goes on with the next resource.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class UndecidedError(Exception):
    """A rule cannot be decided now; the text says which value it would need."""


class Unknown:
    """Stands for a value that only the update will know.

    Args:
        why: what is not known, as a clause for the note.
    """

    def __init__(self, why: str) -> None:
        self.why = why

    def refuse(self) -> NoReturn:
        raise UndecidedError(self.why)

    def __bool__(self) -> bool:
        raise UndecidedError(self.why)

    def __eq__(self, other: object) -> bool:
        raise UndecidedError(self.why)

    def __hash__(self) -> int:
        raise UndecidedError(self.why)

    def __repr__(self) -> str:
        return f"Unknown({self.why!r})"


def known(value: Any) -> Any:  # noqa: ANN401
    """`value` itself; raises UndecidedError if it is unknown."""
    if isinstance(value, Unknown):
        value.refuse()
    return value


def peek(value: Any, path: str) -> Any:  # noqa: ANN401
    """The value at `path` (keys joined by dots), None where a key is absent.

    It is an `Unknown` if the value, or one on the way to it, is unknown.
    """
    for key in path.split("."):
        if isinstance(value, Unknown):
            return value
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def read(value: Any, path: str) -> Any:  # noqa: ANN401
    """As `peek`; raises UndecidedError for an unknown."""
    return known(peek(value, path))


def is_given(value: Any, path: str) -> bool:  # noqa: ANN401
    """Whether there is something at `path`: an unknown value is there, only not what it is.

    Undecided if what would hold it is unknown: then it is not known either whether it is there.
    """
    *parents, key = path.split(".")
    holder = read(value, ".".join(parents)) if parents else known(value)
    found = peek(holder, key)
    return isinstance(found, Unknown) or bool(found)


def items(value: Any, path: str) -> list[Any]:  # noqa: ANN401
    """The list at `path`, empty if absent; single elements may still be unknown."""
    found = read(value, path)
    if found is None:
        return []
    return list(found) if isinstance(found, list | tuple) else [found]


def any_of(candidates: Iterable[T], holds: Callable[[T], bool]) -> bool:
    """Whether it holds for one of them. Undecided only if no known one decides it."""
    undecided: UndecidedError | None = None
    for candidate in candidates:
        try:
            if holds(candidate):
                return True
        except UndecidedError as error:
            undecided = undecided or error
    if undecided is not None:
        raise undecided
    return False


def all_of(candidates: Iterable[T], holds: Callable[[T], bool]) -> bool:
    """Whether it holds for all of them. Undecided only if no known one decides it."""
    return not any_of(candidates, lambda candidate: not holds(candidate))


def either(*tests: Callable[[], bool]) -> bool:
    """Whether one of the tests holds; a later one is only asked if no earlier one does."""
    return any_of(tests, lambda test: test())


def both(*tests: Callable[[], bool]) -> bool:
    """Whether all of the tests hold; a later one is only asked if no earlier one fails."""
    return all_of(tests, lambda test: test())
