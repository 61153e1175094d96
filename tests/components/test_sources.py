"""What the sources themselves must not hold."""

import ast
from pathlib import Path

import pytest
from program_run import ROOT

DEPLOYED = ("components", "contract", "handlers", "dags", "policy", "cli")
NETWORK = {"boto3", "botocore", "urllib3", "requests", "httpx", "http", "socket", "subprocess"}


def sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and "tests" not in path.parts
    )


def imported(path: Path) -> set[str]:
    """The packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", sources("components", "contract"), ids=lambda path: path.stem)
def test_the_program_calls_nothing_but_the_engine(path: Path) -> None:
    """The engine calls AWS, in the resource's Region; one of ours might need the other one."""
    assert imported(path) & NETWORK == set()


@pytest.mark.parametrize(
    "path", sources(*DEPLOYED, suffixes=(".py", ".json", ".yaml")), ids=lambda path: path.stem
)
def test_no_source_names_the_commercial_partition(path: Path) -> None:
    assert "arn:aws:" not in path.read_text()
