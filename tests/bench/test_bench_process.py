"""Timed operations: their memory is seen, their failures are not mistaken for results."""

import sys

import pytest

from bench import process

HOG = "import json; x = b'1' * ({mib} << 20); del x; print('noise'); print(json.dumps({said}))"


def run(code: str) -> process.Outcome:
    return process.run([sys.executable, "-c", code])


def test_peak_memory_is_seen_after_it_was_freed():
    small = run(HOG.format(mib=1, said={"seconds": 1})).peak_mib
    large = run("import time;" + HOG.format(mib=150, said={"seconds": 1}) + ";time.sleep(0.2)")
    assert 140 < large.peak_mib - small < 170
    assert large.seconds == 1


def test_memory_of_children_counts():
    child = HOG.format(mib=150, said={}) + "; import time; time.sleep(0.3)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run(code + "; print('{\"seconds\": 2}')").peak_mib > 160


def test_a_failed_operation_shows_its_output():
    with pytest.raises(process.OperationError, match=r"ended with 3.*out of disk"):
        run("import sys; print('out of disk', file=sys.stderr); sys.exit(3)")
