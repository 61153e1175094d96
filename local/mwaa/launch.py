"""Starts the processes of an environment: its containers, its sidecar and its migration."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import leash
from local.mwaa import family, install
from local.mwaa.container import STARTUP_SECONDS, Spec
from local.mwaa.family import Component
from local.mwaa.folders import Folders
from local.mwaa.sidecar import Settings
from local.mwaa.variables import Facts, layers
from local.mwaa.web import USER

PREPARE = Path(__file__).with_name("prepare.py")
BARE = {"PATH": "/usr/bin:/bin"}

Held = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the sidecar acts (MWAA's are about 30 and 60 seconds), a script's limit, the clock.

    Args:
        ahead: seconds by which the clock of all that runs in it is ahead of the right time.
    """

    sync_seconds: float = 3.0
    metric_seconds: float = 10.0
    script_seconds: float = STARTUP_SECONDS
    ahead: float = 0.0


def _log(folders: Folders, name: str) -> Path:
    return folders.outputs / f"{name}.log"


def sidecar(
    name: str, region: str, statsd_port: int, document: Mapping[str, Any], folders: Folders
) -> Settings:
    """What the sidecar of an environment serves, but for its timing."""
    prefix = document["DagS3Path"].strip("/")
    return Settings(
        environment=name,
        region=region,
        bucket=document["SourceBucketArn"].rpartition(":")[2],
        prefix=f"{prefix}/" if prefix else "",
        dags=str(folders.dags),
        statsd_port=statsd_port,
        pid_file=str(folders.pid(Component.SCHEDULER)),
    )


def start_sidecar(settings: Settings, aws: Mapping[str, str], folders: Folders) -> Held:
    with _log(folders, "sidecar").open("ab") as out:
        module = ["local.mwaa.sidecar", settings.to_json()]
        return leash.hold(module, env={**aws, **BARE}, output=out)


def write_spec(facts: Facts, component: Component, folders: Folders, timing: Timing) -> Path:
    """Write what a container runs into a file that only its owner can read."""
    airflow = str(install.python_of(facts.version).with_name("airflow"))
    script, own = folders.startup_script, layers(facts, component)
    spec = Spec(
        component=component.value,
        processes={
            arguments[0]: [airflow, *(item.format(port=facts.web_port) for item in arguments)]
            for arguments in family.of(facts.version).processes[component]
        },
        below=own.below,
        above=own.above,
        home=str(folders.home),
        logs=str(folders.outputs),
        script=str(script) if script.exists() else "",
        script_seconds=timing.script_seconds,
    )
    path = folders.spec(component)
    path.touch(mode=0o600)
    path.write_text(spec.to_json())
    return path


def start_container(spec: Path, folders: Folders) -> Held:
    """Start a container; its events come on the returned process's standard output."""
    with _log(folders, f"container-{spec.stem}").open("ab") as errors:
        module = ["local.mwaa.container", str(spec)]
        return leash.hold(module, env=BARE, output=subprocess.PIPE, errors=errors)


def start_prepare(facts: Facts, password: str, folders: Folders) -> tuple[Held, Path]:
    """Start `db migrate` and the making of the emulator's user; also where its output goes."""
    env = layers(facts, Component.SCHEDULER).compose({})
    output = _log(folders, "prepare")
    with output.open("ab") as out:
        held = leash.start(
            [install.python_of(facts.version), "-P", PREPARE],
            env={**env, "PREPARE_USER": USER, "PREPARE_PASSWORD": password},
            cwd=folders.home,
            output=out,
        )
    return held, output


def start_command(facts: Facts, arguments: list[str], folders: Folders, out: Any, err: Any) -> Held:  # noqa: ANN401
    """Run `airflow <arguments>` as in the web server's container, but for its script's exports."""
    return leash.start(
        [install.python_of(facts.version).with_name("airflow"), *arguments],
        env=layers(facts, Component.WEBSERVER).compose({}),
        cwd=folders.home,
        output=out,
        errors=err,
    )
