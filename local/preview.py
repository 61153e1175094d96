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
_DIAGNOSTIC = re.compile(r"^\s+- \[(mandatory|advisory)\]\s+(.*)$")
_CHANGES = re.compile(r"^\s+([+~-]+ \d+ to \w+|\d+ unchanged)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Preview:
    """What one preview said.

    Args:
        remarks: level and text of each violation and note.
    """

    stack: str
    succeeded: bool
    seconds: float
    changes: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...]
    output: str

    @classmethod
    def of(cls, stack: str, code: int, output: str, seconds: float) -> "Preview":
        remarks: list[tuple[str, str]] = []
        lines = output.splitlines()
        for index, line in enumerate(lines):
            match = _DIAGNOSTIC.match(line)
            if match:
                text = lines[index + 1].strip() if index + 1 < len(lines) else ""
                remarks.append((match[1], f"`{match[2].strip()}` {text}"))
        changes = tuple(change.strip() for change in _CHANGES.findall(output))
        return cls(stack, code == 0, seconds, changes, tuple(remarks), output)


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
        dr.write_text(self._must(deployed, "stack", "export", "--stack", "dr"))
        primary.write_text(self._must(deployed, "preview", "--json", *self._stack("primary")))
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
        return Preview.of(stack, done.returncode, done.stdout + done.stderr, seconds)

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
        "| stack | result | changes | mandatory | advisory |",
        "|---|---|---|---|---|",
    ]
    for one in previews:
        counts = [
            sum(level == wanted for level, _ in one.remarks) for wanted in ("mandatory", "advisory")
        ]
        result = "passes" if one.succeeded else "**refused**"
        changes = ", ".join(one.changes) or "none"
        lines.append(f"| `{one.stack}` | {result} | {changes} | {counts[0]} | {counts[1]} |")
    for one in previews:
        for level, text in one.remarks:
            lines.append(f"\n- `{one.stack}`, {level}: {text}")
        output = one.output[-20_000:].strip()
        lines += [
            "",
            f"<details><summary>preview of <code>{one.stack}</code></summary>",
            *("", "```", output, "```", "", "</details>"),
        ]
    return "\n".join(lines) + "\n"


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
