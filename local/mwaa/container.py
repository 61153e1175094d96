"""One container of an environment: the first process in it, as in MWAA's image.

It runs the customer's startup script, puts the variables together, starts Airflow's processes and
ends when one of them does; MWAA then replaces the container. Run as
`python -m local.mwaa.container <file>`; each event is a line of JSON on standard output.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local import leash
from local.mwaa.variables import Layers

log = logging.getLogger("container")

STARTUP_SECONDS = 295
"""MWAA gives a startup script five minutes less five seconds."""
_SHELL = """
keep() { env -0 > "$MWAA_STARTUP_EXPORTS"; }
trap keep EXIT
. "$MWAA_STARTUP_SCRIPT"
"""
"""The script is read by the shell itself, so that what it exports is kept, even if it exits."""
_SHELL_OWN = frozenset(
    {"_", "SHLVL", "PWD", "OLDPWD", "MWAA_STARTUP_EXPORTS", "MWAA_STARTUP_SCRIPT"}
)


class Event:
    """What is said on standard output."""

    SCRIPT_DONE = "script-done"
    SCRIPT_FAILED = "script-failed"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a container runs.

    Args:
        processes: command by name; its output goes to `<logs>/<name>.log`.
        script: the startup script; empty for none.
        script_seconds: time limit of it.
    """

    component: str
    processes: dict[str, list[str]]
    below: dict[str, str]
    above: dict[str, str]
    home: str
    logs: str
    script: str = ""
    script_seconds: float = STARTUP_SECONDS

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class ScriptError(Exception):
    """The startup script failed or took too long."""


def _say(event: str, **more: Any) -> None:  # noqa: ANN401
    # Standard output is the channel to the control plane; it may be gone already.
    with contextlib.suppress(OSError):
        os.write(1, (json.dumps({"event": event, **more}) + "\n").encode())


def run_script(script: Path, env: dict[str, str], home: Path, output: Path, limit: float) -> dict:
    """Run the startup script; what it exported, as changes to `env`.

    Raises:
        ScriptError: it ended with an error, or not within `limit` seconds.
    """
    exports = output.with_suffix(".exports")
    exports.unlink(missing_ok=True)
    shell_env = {
        **env,
        "MWAA_STARTUP_EXPORTS": str(exports),
        "MWAA_STARTUP_SCRIPT": str(script),
    }
    with output.open("ab") as out:
        shell = subprocess.Popen(
            ["/bin/bash", "-c", _SHELL],
            env=shell_env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(limit)
        except subprocess.TimeoutExpired:
            leash.kill_tree(shell.pid)
            shell.wait()
            raise ScriptError(f"the startup script did not end within {limit:g} seconds") from None
    if code:
        tail = output.read_text(errors="replace")[-500:].strip()
        raise ScriptError(f"the startup script ended with code {code}; its output ends: {tail}")
    after = [
        item.partition("=")
        for item in exports.read_bytes().decode(errors="surrogateescape").split("\0")
        if item
    ]
    exports.unlink()
    return {
        key: value for key, _, value in after if key not in _SHELL_OWN and env.get(key) != value
    }


def run(spec: Spec) -> int:
    """Run the container until one of its processes ends; that one's exit code."""
    logs, home = Path(spec.logs), Path(spec.home)
    logs.mkdir(parents=True, exist_ok=True)
    layers, exports = Layers(spec.below, spec.above), {}
    if spec.script:
        started = time.monotonic()
        try:
            exports = run_script(
                Path(spec.script),
                layers.compose({}),
                home,
                logs / f"startup-script-{spec.component}.log",
                spec.script_seconds,
            )
        except ScriptError as error:
            _say(Event.SCRIPT_FAILED, message=str(error))
            return 1
        _say(Event.SCRIPT_DONE, seconds=round(time.monotonic() - started, 3))
    else:
        _say(Event.SCRIPT_DONE, seconds=0)
    env = layers.compose(exports)
    children: dict[int, str] = {}
    for name, argv in spec.processes.items():
        with (logs / f"{name}.log").open("ab") as out:
            child = subprocess.Popen(
                argv,
                env=env,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        children[child.pid] = name
        _say(Event.STARTED, name=name, pid=child.pid)
    name, code = leash.wait_any(children)
    _say(Event.ENDED, name=name, code=code)
    return code if code > 0 else 1


def main() -> None:
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text()))

    def end() -> None:
        leash.kill_descendants()
        os._exit(0)

    leash.become_reaper()
    leash.on_release(end)
    code = run(spec)
    leash.kill_descendants()
    os._exit(code)


if __name__ == "__main__":
    main()
