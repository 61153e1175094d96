"""CloudWatch metric math, as far as alarms and readings need it; anything else is refused.

Arithmetic, comparisons, AND, OR, IF, FILL, and SUM, AVG, MIN, MAX, ABS, CEIL, FLOOR, over time
series by period (CloudWatch user guide, "Using metric math"). SEARCH and SQL are refused.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Points = dict[float, float]
"""Period start -> value."""
Value = Points | float

_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b if b else math.nan,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_UNARY: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": lambda value: float(math.ceil(value)),
    "FLOOR": lambda value: float(math.floor(value)),
}
_ACROSS: dict[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}


class UnsupportedExpressionError(ValueError):
    """The expression says something that is not understood here."""


def names(expression: str) -> set[str]:
    """The ids that an expression uses."""
    tree = _parse(expression)
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - called - {"REPEAT"}


def evaluate(expression: str, inputs: Mapping[str, Points], periods: list[float]) -> Points:
    """The expression's points.

    Args:
        expression: e.g. `FILL(m1, 0) / m2`.
        inputs: points by id.
        periods: every period start of the queried range, for FILL.

    Raises:
        UnsupportedExpressionError: naming what is not understood.
    """
    value = _Evaluator(inputs, periods).visit(_parse(expression))
    if isinstance(value, list):
        raise UnsupportedExpressionError(f"{expression!r} gives a list of series")
    if isinstance(value, dict):
        return {time: number for time, number in value.items() if not math.isnan(number)}
    return dict.fromkeys(periods, float(value))


def _parse(expression: str) -> ast.expr:
    text = re.sub(r"&&|\bAND\b", " and ", expression)
    text = re.sub(r"\|\||\bOR\b", " or ", text)
    text = text.replace("^", "**")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise UnsupportedExpressionError(f"{expression!r} cannot be read: {error}") from error


class _Evaluator:
    def __init__(self, inputs: Mapping[str, Points], periods: list[float]) -> None:
        self._inputs = inputs
        self._periods = periods

    def visit(self, node: ast.expr) -> Any:  # noqa: ANN401, PLR0911 -- one line per kind of node
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._inputs:
                return self._inputs[name]
            case ast.List(elts=items):
                return [self.visit(item) for item in items]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _combine(lambda a, b: a - b, 0.0, self.visit(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _combine(_BINARY[type(op)], self.visit(left), self.visit(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                test = _COMPARE[type(op)]
                return _combine(lambda a, b: float(test(a, b)), self.visit(left), self.visit(right))
            case ast.BoolOp(op=op, values=values):
                both = isinstance(op, ast.And)
                result = self.visit(values[0])
                for value in values[1:]:
                    result = _combine(
                        lambda a, b: float(bool(a and b) if both else bool(a or b)),
                        result,
                        self.visit(value),
                    )
                return result
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._call(function.upper(), arguments)
        raise UnsupportedExpressionError(f"{ast.unparse(node)!r} is not understood here")

    def _call(self, function: str, arguments: list[ast.expr]) -> Value:
        if function == "FILL":
            return self._fill(arguments)
        values = [self.visit(argument) for argument in arguments]
        if function == "IF" and len(values) in (2, 3):
            return _choose(values[0], values[1], values[2] if len(values) > 2 else None)  # noqa: PLR2004
        if function in _UNARY and len(values) == 1:
            return _combine(lambda a, _: _UNARY[function](a), values[0], 0.0)
        if function in _ACROSS and len(values) == 1:
            reduce = _ACROSS[function]
            if isinstance(values[0], list):
                return _across(reduce, values[0])
            numbers = list(values[0].values()) if isinstance(values[0], dict) else [values[0]]
            return reduce(numbers) if numbers else math.nan
        raise UnsupportedExpressionError(f"function {function} is not understood here")

    def _fill(self, arguments: list[ast.expr]) -> Points:
        points = dict(self.visit(arguments[0]))
        how = arguments[1]
        repeat = isinstance(how, ast.Name) and how.id == "REPEAT"
        filler = None if repeat else float(self.visit(how))
        last: float | None = None
        for period in self._periods:
            if period in points:
                last = points[period]
            elif not repeat and filler is not None:
                points[period] = filler
            elif last is not None:
                points[period] = last
        return points


def _combine(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Series meet where both have a point; a number meets every point."""
    if isinstance(left, dict) and isinstance(right, dict):
        return {t: function(left[t], right[t]) for t in left.keys() & right.keys()}
    if isinstance(left, dict):
        return {t: function(value, right) for t, value in left.items()}  # pyright: ignore[reportArgumentType]
    if isinstance(right, dict):
        return {t: function(left, value) for t, value in right.items()}
    return function(left, right)


def _across(reduce: Callable[[list[float]], float], series: list[Points]) -> Points:
    times = sorted({time for points in series for time in points})
    return {t: reduce([points[t] for points in series if t in points]) for t in times}


def _choose(condition: Value, yes: Value, no: Value | None) -> Value:
    if not isinstance(condition, dict):
        return yes if condition else (math.nan if no is None else no)
    result: Points = {}
    for time, truth in condition.items():
        side = yes if truth else no
        value = side.get(time) if isinstance(side, dict) else side
        if value is not None:
            result[time] = value
    return result
