"""`python -m bench.policy`: how long the policy pack makes a preview of our own stacks.

Previews with and without the pack take turns in one run, so that both see the same machine. Nothing
else should run meanwhile. The figures go into `_MEASURED` of policy/mwaa_dr_policy/document.py.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.gateway.process import running
from local.paths import ROOT
from local.preview import STACKS, Previews


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch, running(Path(scratch) / "aws") as aws:
        previews = Previews(Path(scratch), ROOT, aws)
        previews.plan()
        for stack in STACKS:
            pairs = [
                (previews.plain(stack), previews.judged(stack).seconds) for _ in range(chosen.pairs)
            ]
            added = [judged - plain for plain, judged in pairs]
            medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
            sys.stdout.write(
                f"{stack}: {medians[0]:.2f} s without the pack, {medians[1]:.2f} s with it; "
                f"adds {statistics.median(added):.2f} s (from {min(added):.2f} to "
                f"{max(added):.2f} in {chosen.pairs} pairs)\n"
            )


if __name__ == "__main__":
    main()
