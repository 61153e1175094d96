"""Every component says which resources it produces, and produces those."""

import importlib
import pkgutil
import re
from collections import defaultdict
from functools import cache

import pytest
from program_run import ACCOUNT, LEAST_ADOPTED, OURS, run_program, settings_of, short

import components
from components.base import Component
from tests.access.programs import ALL, program

MORE = {
    "primary": {
        "code": {"seed": True},
        "environment": {
            **settings_of("primary")["environment"],
            "executionPolicyArns": [f"arn:aws:iam::{ACCOUNT}:policy/dags"],
        },
    },
    "dr": {
        "adopted": LEAST_ADOPTED,
        "backup": {**settings_of("dr")["backup"], "objectLockDays": 7},
        "drill": {"schedule": "rate(30 days)"},
    },
}
"""What the other configurations leave out."""
LISTED = re.compile(r"Produces these resources: (.*?)\.\n", re.DOTALL)


def classes():
    """Every component by its token."""
    for module in pkgutil.walk_packages(components.__path__, "components."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Component) and value is not Component:
                yield f"{OURS}{value.__module__.rpartition('.')[2]}:{value.__name__}", value


CLASSES = dict(classes())


@cache
def produced():
    """Types of the resources below each component, at whatever depth, by its token."""
    found = defaultdict(set)
    for made in (*(program(*one) for one in ALL), *(run_program(*one) for one in MORE.items())):
        known = {one.urn: one for one in made.registered}
        for one in made.resources:
            above = known.get(one.parent)
            while above is not None:
                found[above.type].add(short(one.type))
                above = known.get(above.parent)
    return found


@pytest.mark.parametrize("token", CLASSES)
def test_a_component_produces_what_it_says(token):
    listed = LISTED.search(f"{CLASSES[token].__doc__}\n")
    assert set(re.split(r",\s+", listed[1]) if listed else ()) == produced()[token]


def test_components_are_found():
    assert {f"{OURS}storage:SafeBucket", f"{OURS}existing:Named"} <= CLASSES.keys()
    assert produced().keys() - {"pulumi:pulumi:Stack"} <= CLASSES.keys()
