"""The drill's own installation: stack files with short intervals, and the Pulumi CLI to deploy it.

Everything but the intervals is what a user would deploy; nothing in the program knows of drills.
"""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contract.names import Names
from contract.sites import Site, Strategy
from local.gateway.process import LocalAws
from local.paths import ROOT
from local.pulumi.environment import ENCRYPTION_SALT, init_stacks, pulumi_environment

NAME = "drill"
REGIONS = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}
"""Of the two sites; `in_one_region` is the other way to have them."""
WITNESS = "eu-west-1"
BACKUP_SECONDS = 30
OBJECTIVES: dict[Strategy, dict[str, float]] = {
    Strategy.BACKUP_RESTORE: {"rtoMinutes": 60, "rpoMinutes": 2},
    Strategy.ACTIVE_PASSIVE: {"rtoMinutes": 5, "rpoMinutes": 2},
}
"""Backup and restore includes MWAA's own 20 to 30 minutes for a new environment."""
TUNING: dict[str, dict[str, Any]] = {
    "backup": {"intervalSeconds": BACKUP_SECONDS, "copyMode": "direct"},
    "agent": {"intervalSeconds": 10},
    "detection": {
        "readingSeconds": 10,
        "needed": 2,
        "window": 3,
        "heartbeatSeconds": 45,
        "pulseSeconds": 30,
        "backupSeconds": 120,
        "probeSeconds": 2,
    },
    "recovery": {"fenceSeconds": 20, "orderMinutes": 5, "createMinutes": 10, "drainMinutes": 2},
}
"""A drill has minutes, not hours: every interval is as short as the settings allow sensibly."""


def in_one_region() -> None:
    """Have both sites in one Region, for this process; then only an environment can be lost."""
    REGIONS[Site.PRIMARY] = REGIONS[Site.DR]


def configuration(
    site: Site,
    account: str,
    strategy: Strategy,
    airflow_version: str,
    dags: Path,
    *,
    private: bool = False,
) -> dict[str, Any]:
    """A stack's configuration, as the stack file holds it.

    Args:
        private: whether the web servers answer in their own networks only.
    """
    values: dict[str, Any] = {
        "name": NAME,
        "account": account,
        "strategy": strategy.value,
        "primaryRegion": REGIONS[Site.PRIMARY],
        "drRegion": REGIONS[Site.DR],
        "witnessRegion": WITNESS,
        "objectives": OBJECTIVES[strategy],
        "environment": {
            "airflowVersion": airflow_version,
            "airflowConfigurationOptions": {"core.max_active_tasks_per_dag": 8},
            "webserverAccessMode": "PRIVATE_ONLY" if private else "PUBLIC_ONLY",
        },
        "code": {"dagsDirectory": str(dags.relative_to(ROOT))},
        "notifications": [{"protocol": "email", "endpoint": "on-call@example.com"}],
        "tags": {"purpose": "drill"},
        **TUNING,
    }
    return {
        "encryptionsalt": ENCRYPTION_SALT,
        "config": {
            "aws:region": REGIONS[site],
            **{f"mwaa-dr:{key}": value for key, value in values.items()},
        },
    }


def environment_of(aws: LocalAws, site: Site) -> dict[str, Any]:
    """What the emulator tells an examiner of a site's environment."""
    name = Names(NAME, aws.account).environment(site)
    return next(one for one in aws.control.state()["environments"] if one["name"] == name)


@dataclass(frozen=True, slots=True)
class Stacks:
    """Both stacks, deployed from files below `folder` against the local AWS."""

    folder: Path
    aws: LocalAws

    @property
    def names(self) -> Names:
        return Names(NAME, self.aws.account)

    @property
    def _backend(self) -> Path:
        return self.folder / "pulumi"

    def _file(self, site: Site) -> Path:
        return self.folder / f"Pulumi.{site}.yaml"

    def write(self, strategy: Strategy, airflow_version: str, dags: Path, *, private: bool) -> None:
        """Write the stack files and create the stacks; `private` as in `configuration`."""
        for site in Site:
            values = configuration(
                site, self.aws.account, strategy, airflow_version, dags, private=private
            )
            self._file(site).write_text(yaml.safe_dump(values, sort_keys=False))
        init_stacks(backend=self._backend)

    def run(self, command: str, site: Site, *, timeout: float) -> float:
        """Run `pulumi <command>` on a site's stack; return the seconds it took.

        Raises:
            RuntimeError: it failed or took too long; the end of its output is in the error.
        """
        arguments = ["pulumi", command, "--stack", site.value, "--non-interactive"]
        arguments += ["--config-file", str(self._file(site)), "--policy-pack", "policy"]
        arguments += ["--yes", "--suppress-outputs"] if command == "up" else []
        log = self.folder / f"pulumi-{command}-{site}-{time.time():.0f}.log"
        started = time.monotonic()
        with log.open("w") as output:
            try:
                done = subprocess.run(
                    arguments,
                    cwd=ROOT,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise RuntimeError(
                    f"`pulumi {command}` of stack {site} took longer than {timeout:.0f} s:\n"
                    f"{log.read_text()[-2000:]}"
                ) from None
        if done.returncode:
            raise RuntimeError(
                f"`pulumi {command}` of stack {site} failed:\n{log.read_text()[-4000:]}"
            )
        return time.monotonic() - started

    def _environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
        return {**clean, **self.aws.environment, **pulumi_environment(backend=self._backend)}
