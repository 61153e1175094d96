"""Databases made by a real Airflow, for the commands that need one."""

from tests.metadata.conftest import (
    cluster,
    filled,
    hard_world,
    new_world,
    source,
    target,
    vault,
)

__all__ = ["cluster", "filled", "hard_world", "new_world", "source", "target", "vault"]
