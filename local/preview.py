"""`python -m local.preview`: previews both stacks with the policy pack, as a pull request does.

Everything runs on this machine: a local AWS comes up and goes again, and nothing of it stays but
the report. Each stack is judged with the other one at hand. Exit code 0: no mandatory rule is
broken and both previews succeed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml

from contract.names import Names
from contract.sites import Site
from local.gateway.process import LocalAws, running
from local.paths import BUILD, ROOT
from local.pulumi.environment import init_stacks, pulumi_environment

REPORT = BUILD / "preview" / "report.md"
EXCEPTIONS = ROOT / "policy-config.json"
"""What a user puts over the rules' configuration, exceptions above all; there may be none."""
STACKS = ("dr", "primary")
PACK = ROOT / "policy"
SECONDS = 300
OUTPUT = 20_000
"""Characters of each preview that a report quotes; a comment may have 65,536."""
_REMARK = re.compile(
    r"^ +- \[(mandatory|advisory)\]\s+(?:\[severity: \w+\]\s+)?(\S+)\s+\((.*)\)"
    r"((?:\n +(?!- \[)\S.*)+)",
    re.MULTILINE,
)
"""A rule's name and resource; below them its description, if any, and what is wrong."""
_UNDECIDED = "can't run policy"
_CHANGES = re.compile(r"^\s+([+~-]+ \d+ to \w+|\d+ unchanged)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Remark:
    """One violation, or one note on what could not be decided."""

    level: str
    rule: str
    resource: str
    text: str

    @property
    def is_note(self) -> bool:
        return self.text.startswith(_UNDECIDED)


@dataclass(frozen=True, slots=True)
class Preview:
    """What one preview said."""

    stack: str
    succeeded: bool
    seconds: float
    output: str

    @property
    def changes(self) -> str:
        return ", ".join(change.strip() for change in _CHANGES.findall(self.output)) or "none"

    @property
    def remarks(self) -> list[Remark]:
        return [_remark(*match.groups()) for match in _REMARK.finditer(self.output)]


def _remark(level: str, rule: str, resource: str, below: str) -> Remark:
    lines = [line.strip() for line in below.strip().splitlines()]
    # Only what says what is wrong fits into a line, and the rest of the output is cut.
    return Remark(level, rule, resource, " ".join(lines[1:] or lines))


class Previews:
    """Both stacks against one local AWS with nothing in it but the keys that `primary` looks up."""

    def __init__(self, folder: Path, settings: Path, aws: LocalAws) -> None:
        self._folder = folder
        self._settings = settings
        backend = folder / "backend"
        init_stacks(backend=backend)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
        self._environment = {**clean, **pulumi_environment(backend=backend), **aws.environment}
        self._make_keys(aws)

    def both(self) -> list[Preview]:
        """Each stack is judged beside what the other one would become."""
        failed = self.plan()
        return [failed] if failed else [self.judged(stack) for stack in STACKS]

    def plan(self) -> Preview | None:
        """Write down what each stack would become; gives the first preview that fails."""
        for stack in STACKS:
            planned = self._pulumi("preview", "--json", *self._stack(stack))
            if planned.returncode:
                return Preview(stack, False, 0, planned.stdout + planned.stderr)
            self._planned(stack).write_text(planned.stdout)
        return None

    def plain(self, stack: str) -> float:
        """Seconds that a preview takes without the pack."""
        started = time.monotonic()
        done = self._pulumi("preview", *self._stack(stack))
        if done.returncode:
            raise RuntimeError(f"the preview of {stack} failed:\n{done.stdout}{done.stderr}")
        return time.monotonic() - started

    def _make_keys(self, aws: LocalAws) -> None:
        """In a real account the `dr` stack, which is deployed first, has made them."""
        settings = settings_of(Path(self._file("dr")))
        names = Names(settings["name"], settings["account"], settings.get("partition", "aws"))
        kms = boto3.client(
            "kms",
            region_name=settings["drRegion"],
            endpoint_url=aws.endpoint,
            aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
        )
        for alias in (names.data_alias(Site.DR), names.seal_alias(Site.DR)):
            key = kms.create_key()["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=alias, TargetKeyId=key)

    def judged(self, stack: str) -> Preview:
        """A preview with the pack, the other stack at hand."""
        [other] = set(STACKS) - {stack}
        config = self._configured(stack, other)
        started = time.monotonic()
        done = self._pulumi(
            *("preview", *self._stack(stack), "--policy-pack", str(PACK)),
            *("--policy-pack-config", config),
        )
        seconds = time.monotonic() - started
        return Preview(stack, done.returncode == 0, seconds, done.stdout + done.stderr)

    def _configured(self, stack: str, other: str) -> str:
        over = ["--over", str(EXCEPTIONS)] if EXCEPTIONS.exists() else []
        made = subprocess.run(
            [
                *(sys.executable, "-m", "mwaa_dr_policy.stack_config", self._file(stack)),
                *("--other-stack", str(self._planned(other)), *over),
            ],
            env={**os.environ, "PYTHONPATH": f"{PACK}:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise SystemExit(made.stderr.strip())
        file = self._folder / f"{stack}-policy.json"
        file.write_text(made.stdout)
        return str(file)

    def _planned(self, stack: str) -> Path:
        return self._folder / f"{stack}.json"

    def _file(self, stack: str) -> str:
        return str(self._settings / f"Pulumi.{stack}.yaml")

    def _stack(self, stack: str) -> tuple[str, ...]:
        return ("--stack", stack, "--config-file", self._file(stack))

    def _pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def settings_of(stack_file: Path) -> dict[str, Any]:
    """The settings in a stack file."""
    config = yaml.safe_load(stack_file.read_text())["config"]
    return {key.partition(":")[2]: value for key, value in config.items()}


def report(previews: Sequence[Preview]) -> str:
    """What a pull request shows."""
    lines = [
        "## Preview of both stacks with the policy pack",
        "",
        "| stack | result | changes | violations | warnings | left open |",
        "|---|---|---|---|---|---|",
        *(_row(one) for one in previews),
        "",
    ]
    for one in previews:
        lines += [
            f"- `{one.stack}`, {remark.level}: **{remark.rule}** ({remark.resource}): {remark.text}"
            for remark in one.remarks
            if not remark.is_note
        ]
        open_rules = Counter(remark.rule for remark in one.remarks if remark.is_note)
        lines += [
            f"- `{one.stack}`, left open until its values are known: **{rule}** ({count})"
            for rule, count in open_rules.items()
        ]
    for one in previews:
        lines += [
            "",
            f"<details><summary>preview of <code>{one.stack}</code></summary>",
            *("", "```", one.output[-OUTPUT:].strip(), "```", "", "</details>"),
        ]
    return "\n".join(lines) + "\n"


def _row(one: Preview) -> str:
    violations = [remark for remark in one.remarks if not remark.is_note]
    mandatory = sum(remark.level == "mandatory" for remark in violations)
    notes = len(one.remarks) - len(violations)
    result = "passes" if one.succeeded else "**refused**"
    return (
        f"| `{one.stack}` | {result} | {one.changes} | {mandatory} | "
        f"{len(violations) - mandatory} | {notes} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, default=ROOT, help="folder of the stack files")
    parser.add_argument("--report", type=Path, default=REPORT)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with running(folder / "aws") as aws:
            previews = Previews(folder, chosen.settings, aws).both()
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(report(previews))
    for one in previews:
        sys.stdout.write(f"{one.output}\n")
    for one in previews:
        verdict = "passes" if one.succeeded else "is refused"
        sys.stdout.write(f"stack {one.stack} {verdict} ({one.seconds:.1f} s)\n")
    sys.stdout.write(f"report: {chosen.report}\n")
    return 0 if all(one.succeeded for one in previews) else 1


if __name__ == "__main__":
    raise SystemExit(main())
