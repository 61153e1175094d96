"""Conditions of a policy's statement, as IAM evaluates them.

Source: IAM user guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys"
and "Policy variables".
"""

import functools
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

Context = Mapping[str, tuple[str, ...]]
"""What is known of a request: values by condition key in lower case."""
Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Wanted values by operator and key."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERAL = frozenset({"*", "?", "$"})


class PolicyError(ValueError):
    """A policy that cannot be judged; nothing is ever allowed or refused by a guess."""


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    parts = [{"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in pattern]
    return re.compile("".join(parts), re.DOTALL | flags)


def like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether `text` fits a pattern in which `*` is any text and `?` one character."""
    flags = re.IGNORECASE if ignore_case else 0
    return _compiled(pattern, flags).fullmatch(text) is not None


def fits(pattern: str, text: str, context: Context) -> bool:
    """`like`, with policy variables: their values are text, never patterns."""
    if "${" not in pattern:
        return like(pattern, text)
    regex, rest = "", 0
    for found in _VARIABLE.finditer(pattern):
        value = _value(found[1], context)
        if value is None:
            return False  # a variable without a value matches nothing
        regex += _compiled(pattern[rest : found.start()], 0).pattern + re.escape(value)
        rest = found.end()
    regex += _compiled(pattern[rest:], 0).pattern
    return re.fullmatch(regex, text, re.DOTALL) is not None


def _value(variable: str, context: Context) -> str | None:
    if variable in _LITERAL:
        return variable
    key, _, default = variable.partition(",")
    values = context.get(key.strip().lower())
    if values is not None and len(values) == 1:
        return values[0]
    return default.strip().strip("'") if default else None


def _arn_like(pattern: str, text: str, context: Context) -> bool:
    """Each of the six parts on its own: a `*` does not reach over a colon but in the last one."""
    wanted, found = pattern.split(":", 5), text.split(":", 5)
    return len(wanted) == len(found) and all(
        fits(part, given, context) for part, given in zip(wanted, found, strict=True)
    )


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


Test = Callable[[str, str, Context], bool]
"""Whether the wanted value, against the found one, is what the operator asks for."""

_TESTS: dict[str, Test] = {
    "StringEquals": lambda wanted, found, context: (
        _exactly(wanted, context) == found  # no wildcards, but variables
    ),
    "StringEqualsIgnoreCase": lambda wanted, found, context: (
        (_exactly(wanted, context) or "").lower() == found.lower()
    ),
    "StringLike": fits,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda wanted, found, _context: wanted.lower() == found.lower(),
    "BinaryEquals": lambda wanted, found, _context: wanted == found,
    "IpAddress": lambda wanted, found, _context: (
        ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)
    ),
    "NumericEquals": lambda wanted, found, _context: float(found) == float(wanted),
    "NumericLessThan": lambda wanted, found, _context: float(found) < float(wanted),
    "NumericLessThanEquals": lambda wanted, found, _context: float(found) <= float(wanted),
    "NumericGreaterThan": lambda wanted, found, _context: float(found) > float(wanted),
    "NumericGreaterThanEquals": lambda wanted, found, _context: float(found) >= float(wanted),
    "DateEquals": lambda wanted, found, _context: _moment(found) == _moment(wanted),
    "DateLessThan": lambda wanted, found, _context: _moment(found) < _moment(wanted),
    "DateLessThanEquals": lambda wanted, found, _context: _moment(found) <= _moment(wanted),
    "DateGreaterThan": lambda wanted, found, _context: _moment(found) > _moment(wanted),
    "DateGreaterThanEquals": lambda wanted, found, _context: _moment(found) >= _moment(wanted),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


def _exactly(wanted: str, context: Context) -> str | None:
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        text = _value(found[1], context)
        missing = missing or text is None
        return text or ""

    text = _VARIABLE.sub(value, wanted)
    return None if missing else text


@functools.cache
def _operator(name: str) -> tuple[str, str, bool, bool]:
    """(set qualifier, test, negated, if it exists) of an operator's name."""
    qualifier, _, base = name.rpartition(":")
    if_exists = base.endswith("IfExists")
    base = base.removesuffix("IfExists")
    negated = base in _NEGATED
    test = _NEGATED.get(base, base)
    if qualifier not in ("", "ForAllValues", "ForAnyValue") or test not in _TESTS:
        raise PolicyError(f"{name}: the local AWS cannot judge this condition operator")
    return qualifier, test, negated, if_exists


def holds(conditions: Conditions, context: Context) -> bool:
    """Whether every condition is met.

    Raises:
        PolicyError: an operator is unknown.
    """
    return all(
        _holds(operator, wanted, context.get(key.lower()), context)
        for operator, tests in conditions.items()
        for key, wanted in tests.items()
    )


def _holds(
    operator: str, wanted: tuple[str, ...], found: tuple[str, ...] | None, context: Context
) -> bool:
    if operator == "Null":
        return [value.lower() == "true" for value in wanted] == [found is None]
    qualifier, name, negated, if_exists = _operator(operator)
    test = _TESTS[name]
    if not found:
        # The request does not carry the key.
        return if_exists or qualifier == "ForAllValues" or (negated and not qualifier)

    def one(value: str) -> bool:
        return any(test(item, value, context) for item in wanted) is not negated

    return any(map(one, found)) if qualifier == "ForAnyValue" else all(map(one, found))
