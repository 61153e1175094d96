"""Every call of AWS in the product, against botocore's own models: its name and its parameters."""

import ast
from functools import cache
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

ROOT = Path(__file__).parents[2]
SERVICES = (
    *("s3", "dynamodb", "sns", "stepfunctions", "events", "kms", "cloudwatch", "sts", "mwaa"),
    *("iam", "lambda", "logs", "ec2", "s3control"),
)
FOLDERS = ("handlers", "dags", "cli")
SPECIAL = {"get_paginator", "get_waiter", "paginate", "wait", "generate_presigned_url"}


@cache
def methods():
    """Every method of a client -> the operations of that name."""
    found = {}
    for service in SERVICES:
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        for name in model.operation_names:
            found.setdefault(xform_name(name), []).append(model.operation_model(name))
    return found


def members(operation):
    return operation.input_shape.members if operation.input_shape else {}


def aws_style(keyword):
    """Whether a keyword is spelt as AWS spells parameters, and Python does not."""
    return keyword is not None and (keyword[0].isupper() or keyword != keyword.lower())


def name_of(function):
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def paginated(call):
    """The method that `client.get_paginator("...").paginate(...)` calls."""
    inner = call.func.value
    if isinstance(inner, ast.Call) and name_of(inner.func) == "get_paginator":
        return inner.args[0].value
    return None


def mistakes(source):
    """What is wrong with the calls in a module's text."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    passing = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.args.kwarg is not None
    }
    for call in calls:
        for name in operations(call, passing):
            yield from (f"{call.lineno}: {text}" for text in wrong(call, name))


def operations(call, passing):
    """Names of what a call asks AWS for; empty if it is no call of AWS."""
    name = name_of(call.func)
    handed = [one.attr for one in call.args if isinstance(one, ast.Attribute)]
    meant = [one for one in handed if one in methods()]
    if meant:
        return meant  # `do(client.put_item, Item=...)`
    if name == "paginate" and isinstance(call.func, ast.Attribute):
        return [paginated(call) or name]
    if name in methods():
        return [name]
    styled = any(aws_style(keyword.arg) for keyword in call.keywords)
    if not styled or name[:1].isupper() or name in SPECIAL or name in passing:
        return []
    # A variable that holds a method is called in the function that was handed it.
    return [] if isinstance(call.func, ast.Name) else [name]


def wrong(call, name):
    given = [keyword.arg for keyword in call.keywords]
    if name not in methods():
        yield f"no service has {name}({', '.join(map(str, given))})"
    elif not any(fits(operation, call, given) for operation in methods()[name]):
        yield f"{name} does not take {', '.join(map(str, given))}"


def fits(operation, call, given):
    known, named = members(operation), {keyword for keyword in given if keyword is not None}
    if named and not any(keyword in known or aws_style(keyword) for keyword in named):
        return True  # a function of ours that has the name of an operation
    required = set(operation.input_shape.required_members if operation.input_shape else ())
    whole = None in given or bool(call.args)  # the rest is not written here
    return named <= set(known) and (whole or required <= named)


def files():
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "boto3" in path.read_text() or "client" in path.read_text()
    )


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_calls_are_spelt_as_botocore_spells_them(path):
    assert list(mistakes(path.read_text())) == []


def test_enough_calls_are_looked_at():
    seen = {
        name_of(node.func)
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    } & methods().keys()
    assert {"put_object", "get_item", "update_item", "publish", "create_environment"} <= seen
    assert len(seen) > 25


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s3.put_objct(Bucket='b', Key='k')", "no service has put_objct"),
        ("s3.put_object(Bucket='b', Keys='k')", "put_object does not take"),
        ("s3.put_object(Bucket='b')", "put_object does not take"),
        ("s3.get_paginator('list_object').paginate(Bucket='b')", "no service has list_object"),
        ("self._do(pk, self.table.put_item, Itm={})", "put_item does not take Itm"),
        (
            "s3.get_paginator('list_objects_v2').paginate(Buckets='b')",
            "list_objects_v2 does not take",
        ),
        ("sfn.start_execution(StateMachineArn='a')", "start_execution does not take"),
    ],
)
def test_a_mistake_would_be_found(source, said):
    assert any(said in one for one in mistakes(source)), list(mistakes(source))
