"""The checker shares no code with what it checks."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
OWN = sorted(
    path
    for path in FOLDER.glob("*.py")
    if not path.name.startswith("test_") and path.name != "conftest.py"
)
ALLOWED = {
    "ast", "collections", "contextlib", "cryptography", "dataclasses", "datetime", "functools",
    "itertools", "json", "pathlib", "psycopg2", "statistics", "sys", "typing", "urllib",
    "uuid",
}  # fmt: skip


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_imports_nothing_of_the_product(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for name in names:
            assert name.startswith("tests.checker") or name.split(".")[0] in ALLOWED
