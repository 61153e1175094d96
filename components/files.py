"""Which files of the project go where: no resource and no AWS call here."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pulumi

from components.settings.tree import Code
from contract.keys import DAGS, RECOVERY_DAGS

PROJECT = Path(__file__).resolve().parents[1]
"""Where Pulumi.yaml is; Pulumi runs the program there, so that relative paths open."""

IGNORE = ".airflowignore"
_CACHE = "__pycache__"
_TESTS = "tests"


class CodeError(pulumi.RunError):
    """A file that the settings name cannot be uploaded."""


def python_files(root: Path, folder: str) -> dict[str, Path]:
    """Every Python file of `folder` by its path below `root`, in order, without tests."""
    found = {path.relative_to(root).as_posix(): path for path in _files(root / folder)}
    return {
        name: path
        for name, path in found.items()
        if path.suffix == ".py" and _TESTS not in name.split("/")
    }


def archive_files(root: Path = PROJECT) -> dict[str, Path]:
    """What the Lambda functions need: the same files in the same order give the same archive."""
    return {**python_files(root, "contract"), **python_files(root, "handlers")}


def recovery_files(root: Path = PROJECT) -> dict[str, Path]:
    """The recovery DAGs and their packages, by key in the DAG bucket."""
    dags = {
        f"{RECOVERY_DAGS}{name.removeprefix(DAGS)}": path
        for name, path in python_files(root, DAGS).items()
    }
    contract = {
        f"{RECOVERY_DAGS}{name}": path for name, path in python_files(root, "contract").items()
    }
    return {**dags, **contract}


def ignore_text(recovery: Mapping[str, Path]) -> str:
    """Keeps Airflow from parsing our packages as DAG files.

    Plain names: a regular expression (Airflow 2) and a glob (Airflow 3) read them alike.
    """
    packages = {
        key.removeprefix(RECOVERY_DAGS).partition("/")[0]
        for key in recovery
        if "/" in key.removeprefix(RECOVERY_DAGS)
    }
    return "".join(f"{package}\n" for package in sorted(packages))


def user_files(code: Code, root: Path = PROJECT) -> dict[str, Path]:
    """The user's DAGs by key in the DAG bucket.

    Raises:
        CodeError: the directory is not there, or a file would lie among the recovery DAGs.
    """
    if code.dags_directory is None:
        return {}
    folder = root / code.dags_directory
    if not folder.is_dir():
        raise CodeError(
            f"mwaa-dr:code.dagsDirectory: {code.dags_directory!r} is no directory; give one "
            "relative to the project"
        )
    found = {f"{DAGS}{path.relative_to(folder).as_posix()}": path for path in _files(folder)}
    taken = sorted(key for key in found if key.startswith(RECOVERY_DAGS))
    if taken:
        raise CodeError(
            f"mwaa-dr:code.dagsDirectory: {taken[0]} is in the folder of the recovery DAGs; "
            f"move it out of {RECOVERY_DAGS}"
        )
    return found


def extra_files(code: Code, root: Path = PROJECT) -> dict[str, tuple[str, Path]]:
    """Plugins, requirements and start-up script: part of the environment -> (key, file).

    Raises:
        CodeError: a file is not there.
    """
    parts = {
        "plugins": (code.plugins_file, "plugins.zip", "pluginsFile"),
        "requirements": (code.requirements_file, "requirements.txt", "requirementsFile"),
        "startup_script": (code.startup_script_file, "startup.sh", "startupScriptFile"),
    }
    found: dict[str, tuple[str, Path]] = {}
    for part, (file, key, setting) in parts.items():
        if file is None:
            continue
        path = root / file
        if not path.is_file():
            raise CodeError(
                f"mwaa-dr:code.{setting}: {file!r} is no file; give one relative to the project"
            )
        found[part] = (key, path)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder` that is worth shipping, in order."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") and part != IGNORE for part in parts)
        if path.is_file() and not hidden and _CACHE not in parts:
            yield path


def shown(path: Path) -> str:
    """The path to give to the engine: relative, so that no machine's paths get into the state."""
    return path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else str(path)
