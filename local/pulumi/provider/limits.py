"""What AWS itself would refuse: values longer, shorter or spelt otherwise than its models allow.

botocore checks types and least lengths before it sends and leaves the rest to AWS. A local AWS
that took what the real one refuses would rehearse an update that fails.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from local.pulumi.provider.shapes import Shape
from local.pulumi.provider.wire import Value

SHOWN = 60
"""Characters of a refused value that a message repeats."""
_EC2_TEXT = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}"
DOCUMENTED: Mapping[tuple[str, str], str] = {
    ("CreateSecurityGroupRequest", "Description"): _EC2_TEXT,
    ("CreateSecurityGroupRequest", "GroupName"): rf"(?!sg-){_EC2_TEXT}",
    ("IpRange", "Description"): _EC2_TEXT,
    ("Ipv6Range", "Description"): _EC2_TEXT,
    ("PrefixListId", "Description"): _EC2_TEXT,
    ("UserIdGroupPair", "Description"): _EC2_TEXT,
    # S3 user guide, "General purpose bucket naming rules".
    ("CreateBucketRequest", "Bucket"): (
        r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]"
        r"(?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)"
    ),
}
"""By structure and member: what only the words of the models and guides say."""
_REWRITTEN = {
    # Classes of Unicode that Python's `re` does not know, near enough.
    r"\p{L}": r"a-zA-Z\u00aa-\u02ff\u0370-\u1fff\u2c00-\ud7ff",
    r"\p{N}": "0-9",
    r"\p{Z}": r" \u00a0",
    r"\p{Zs}": r" \u00a0",
    # MWAA's model does not spell the ARNs of GovCloud, where MWAA runs all the same.
    "arn:aws(-[a-z]+)?:": "arn:aws(-[a-z]+)*:",
    r"[a-z]{2}-[a-z]+-\d": r"[a-z]{2}(-[a-z]+)+-\d",
}
"""Parts of the models' patterns, and what stands in for them."""


class LimitError(ValueError):
    """A call that AWS would refuse; the message names every such value."""


def check(operation: str, shape: Shape | None, parameters: Mapping[str, Value]) -> None:
    """Check a call before it is made.

    Raises:
        LimitError: AWS would not take it.
    """
    found = list(breaches(shape, parameters)) if shape else []
    if found:
        raise LimitError(f"AWS would refuse {operation}: {'; '.join(found)}")


def breaches(shape: Shape, value: Value, path: str = "") -> Iterator[str]:
    """What is wrong with the value, at every depth."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        for name, item in value.items():
            if name not in shape.members:
                continue  # botocore says so itself
            where = f"{path}.{name}" if path else name
            yield from breaches(shape.members[name], item, where)
            documented = DOCUMENTED.get((shape.name, name))
            if documented and isinstance(item, str) and not re.fullmatch(documented, item):
                yield f"{where}: {_shown(shape.members[name], item)} does not match {documented}"
    elif kind == "list" and isinstance(value, list | tuple):
        yield from _length(shape, len(value), path, "items")
        for number, item in enumerate(value):
            yield from breaches(shape.member, item, f"{path}[{number}]")
    elif kind == "map" and isinstance(value, Mapping):
        yield from _length(shape, len(value), path, "entries")
        for name, item in value.items():
            yield from breaches(shape.key, name, f"{path}[{name}]")
            yield from breaches(shape.value, item, f"{path}[{name}]")
    elif kind == "string" and isinstance(value, str):
        yield from _text(shape, value, path)
    elif kind in ("integer", "long", "double", "float") and isinstance(value, int | float):
        yield from _length(shape, value, path, "")


def _text(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _length(shape, len(value), path, "characters")
    if shape.enum and value not in shape.enum:
        yield f"{path}: {_shown(shape, value)} is none of {', '.join(shape.enum)}"
    pattern = _compiled(shape.metadata.get("pattern", ""))
    if pattern and not pattern.fullmatch(value):
        yield f"{path}: {_shown(shape, value)} does not match {shape.metadata['pattern']}"


def _length(shape: Shape, size: float, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    text = f"{size} {unit}".strip()
    if least is not None and size < float(least):
        yield f"{path}: {text}, at least {least}"
    if most is not None and size > float(most):
        yield f"{path}: {text}, at most {most}"


def _shown(shape: Shape, value: str) -> str:
    if shape.metadata.get("sensitive"):
        return "a value that is not shown"
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}...")


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern of a model, which is written for Java; None where Python cannot say the same."""
    for theirs, ours in _REWRITTEN.items():
        pattern = pattern.replace(theirs, ours)
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
