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

from local.gateway.process import running
from local.paths import BUILD, ROOT
from local.pulumi.environment import init_stacks, pulumi_environment

REPORT = BUILD / "preview" / "report.md"
EXCEPTIONS = ROOT / "policy-config.json"
"""What a user puts over the rules' configuration, exceptions above all; there may be none."""
STACKS = ("dr", "primary")
SECONDS = 300
OUTPUT = 20_000
"""Characters of each preview that a report quotes; a comment may have 65,536."""
_REMARK = re.compile(
    r"^\s+- \[(mandatory|advisory)\]\s+(?:\[severity: \w+\]\s+)?(\S+)\s+\((.*)\)\n\s*(.*)$",
    re.MULTILINE,
)
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
        return [Remark(*match.groups()) for match in _REMARK.finditer(self.output)]


class Previews:
    """Both stacks against one local AWS."""

    def __init__(self, folder: Path, settings: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._variables = variables

    def both(self) -> list[Preview]:
        """`dr` is deployed to the local AWS first, since `primary` looks its keys up there."""
        deployed = self._environment("deployed")
        self._must(deployed, "up", "--yes", "--skip-preview", *self._stack("dr"))
        dr, primary = self._folder / "dr.json", self._folder / "primary.json"
        dr.write_text(self._must(deployed, "stack", "export", "--show-secrets", "--stack", "dr"))
        primary.write_text(
            self._must(deployed, "preview", "--json", "--show-secrets", *self._stack("primary"))
        )
        return [
            # Against an empty state, so that it shows what a new installation gets.
            self._preview("dr", self._environment("planned"), primary),
            self._preview("primary", deployed, dr),
        ]

    def _preview(self, stack: str, environment: dict[str, str], other: Path) -> Preview:
        config = self._folder / f"{stack}-policy.json"
        over = ["--over", str(EXCEPTIONS)] if EXCEPTIONS.exists() else []
        config.write_text(
            subprocess.run(
                [
                    *(sys.executable, "-m", "mwaa_dr_policy.stack_config", self._file(stack)),
                    *("--other-stack", str(other), *over),
                ],
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'policy'}:{ROOT}"},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        started = time.monotonic()
        done = self._pulumi(
            environment,
            *("preview", *self._stack(stack), "--policy-pack", str(ROOT / "policy")),
            *("--policy-pack-config", str(config)),
        )
        seconds = time.monotonic() - started
        return Preview(stack, done.returncode == 0, seconds, done.stdout + done.stderr)

    def _file(self, stack: str) -> str:
        return str(self._settings / f"Pulumi.{stack}.yaml")

    def _stack(self, stack: str) -> tuple[str, ...]:
        return ("--stack", stack, "--config-file", self._file(stack))

    def _environment(self, backend: str) -> dict[str, str]:
        folder = self._folder / backend
        init_stacks(backend=folder)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))}
        return {**clean, **pulumi_environment(backend=folder), **self._variables}

    def _must(self, environment: dict[str, str], *arguments: str) -> str:
        done = self._pulumi(environment, *arguments)
        if done.returncode:
            raise RuntimeError(
                f"`pulumi {' '.join(arguments[:2])}` failed:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def _pulumi(
        self, environment: dict[str, str], *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


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
            previews = Previews(folder, chosen.settings, aws.environment).both()
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
