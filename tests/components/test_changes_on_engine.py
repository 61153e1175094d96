"""Every change of a setting does what docs/changes.md says, and takes no data away."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_cloud import cloud_in
from setting_changes import CHANGES, Change, harmed, page, planned, summary

from local.paths import BUILD, ROOT
from local.pulumi.environment import STACKS

pytestmark = [pytest.mark.engine, pytest.mark.matrix, pytest.mark.timeout(1800)]

WRITTEN = BUILD / "changes.md"


def test_the_page_says_what_the_engine_would_do(tmp_path):
    with cloud_in(tmp_path) as cloud:
        for stack in STACKS:
            cloud.must("up", "--yes", "--skip-preview", "-s", stack)

        def row(change: Change) -> tuple[str, str, str]:
            found = {stack: planned(cloud, stack, change) for stack in ("primary", "dr")}
            for stack, plan in found.items():
                assert harmed(plan) == [], (stack, change.title)
            return change.title, summary(found["primary"]), summary(found["dr"])

        with ThreadPoolExecutor(2) as pool:
            WRITTEN.write_text(page(pool.map(row, CHANGES)))
    assert WRITTEN.read_text() == (ROOT / "docs" / "changes.md").read_text()
