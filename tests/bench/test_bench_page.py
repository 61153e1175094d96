"""docs/benchmarks.md says what was measured, and explains what falls short."""

import json
import re

from bench import bars, report

RESULTS = json.loads(report.SNAPSHOT.read_text())
PAGE = report.PAGE.read_text()


def test_the_page_shows_the_kept_results():
    assert report.written(PAGE, RESULTS) == PAGE, "run `python -m bench.report`"


def test_a_part_that_is_still_empty_is_filled():
    empty = "<!-- generated: figures -->\n<!-- end -->\n"
    filled = report.written(empty, RESULTS)
    assert "| `export_speedup_vs_mwaa_dr` |" in filled
    assert report.written(filled, RESULTS) == filled


def test_kept_figures_follow_from_the_kept_measurements():
    facts, missing = RESULTS["metadata_facts"], RESULTS["metadata_missing"]
    again = json.loads(json.dumps(bars.as_results(RESULTS["metadata_raw"], missing, facts)))
    assert again == RESULTS


def test_missed_bars_are_explained():
    for name in report.missed(RESULTS):
        section = re.search(rf"^### `{name}`$\n(.+?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
        assert section, f"docs/benchmarks.md needs a section ### `{name}`"
        assert len(section[1].split()) > 20, f"what does the profile of {name} show?"
