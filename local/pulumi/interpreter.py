"""Which Python runs a program or a policy pack: the rules of Pulumi's own language host."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and the environment its processes get."""

    python: str
    environment: dict[str, str]


def choose(options: Mapping[str, Any], root: Path, environ: Mapping[str, str]) -> Interpreter:
    """Follow the `runtime.options` of a project or policy pack.

    Args:
        options: `virtualenv` (relative to `root`) and `toolchain`.
        root: the folder of `Pulumi.yaml` or `PulumiPolicy.yaml`.
        environ: the host's own environment.

    Raises:
        ValueError: the virtual environment is missing, or the toolchain is one this host lacks.
    """
    venv = _virtualenv(options, root, environ)
    if venv is None:
        return Interpreter(environ.get("PULUMI_PYTHON_CMD") or "python3", dict(environ))
    python = venv / "bin" / "python"
    if not python.exists():
        raise ValueError(
            f"the option virtualenv={options.get('virtualenv', str(venv))!r} means {venv}, which "
            "has no bin/python; create it (in this repository: `make setup`)"
        )
    environment = {key: value for key, value in environ.items() if key != "PYTHONHOME"}
    environment["VIRTUAL_ENV"] = str(venv)
    environment["PATH"] = os.pathsep.join((str(venv / "bin"), environ.get("PATH", os.defpath)))
    return Interpreter(str(python), environment)


def _virtualenv(options: Mapping[str, Any], root: Path, environ: Mapping[str, str]) -> Path | None:
    named = options.get("virtualenv")
    if named:
        return Path(os.path.normpath(root / str(named)))
    toolchain = options.get("toolchain")
    if toolchain == "poetry":
        raise ValueError(
            "runtime option toolchain='poetry' needs Pulumi's own language host; "
            "set `virtualenv` to the environment that Poetry made"
        )
    if toolchain != "uv":
        return None
    if environ.get("UV_PROJECT_ENVIRONMENT"):
        return Path(environ["UV_PROJECT_ENVIRONMENT"])
    for folder in (root, *root.parents):
        if any((folder / marker).exists() for marker in ("uv.lock", "pyproject.toml")):
            return folder / ".venv"
    return root / ".venv"
