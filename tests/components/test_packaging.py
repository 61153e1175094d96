"""The functions' archive: the same bytes for the same files, and all that a function needs."""

import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from components import packaging
from components.files import PROJECT, CodeError, archive_files
from components.functions import RUNTIME
from components.packaging import SDK, functions_archive, packed, sdk_files
from contract.functions import FUNCTIONS
from handlers.adapters.clients import Clients

IMPORT_ALL = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
from handlers.adapters.clients import Clients
clients = Clients(1.0)
for name in json.loads(sys.argv[2]):
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function)), name
for name in json.loads(sys.argv[3]):
    getattr(clients, name)("us-west-2")
outside = [
    module.__file__
    for module in sys.modules.values()
    if getattr(module, "__file__", None)
    and not module.__file__.startswith((sys.argv[1], sys.base_prefix))
]
print(json.dumps(outside))
"""


@pytest.fixture(scope="module")
def archive():
    return functions_archive().read_bytes()


def test_the_archive_depends_on_names_and_contents_alone(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode, day in ((first, 0o600, 1_000_000_000), (second, 0o755, 2_000_000_000)):
        folder.mkdir()
        for name in ("b.py", "a.py"):
            (folder / name).write_text(name)
            (folder / name).chmod(mode)
            os.utime(folder / name, (day, day))
    one = packed({name: first / name for name in ("a.py", "b.py")})
    assert one == packed({name: second / name for name in ("b.py", "a.py")})
    (second / "a.py").write_text("other")
    assert one != packed({name: second / name for name in ("a.py", "b.py")})


def test_every_entry_can_be_read_by_everybody(archive):
    entries = zipfile.ZipFile(io.BytesIO(archive)).infolist()
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


def test_a_clean_interpreter_imports_every_handler_from_the_archive_alone(archive, tmp_path):
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    clients = [name for name, made in vars(Clients).items() if callable(made) and name[0] != "_"]
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(tmp_path)),
            json.dumps([spec.handler for spec in FUNCTIONS]),
            json.dumps(clients),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == []
    assert len(clients) >= len(packaging.SERVICES)


def test_the_sdk_is_the_one_that_the_lock_pins_with_all_that_it_needs():
    lock = (PROJECT / "requirements.lock").read_text()
    for name in SDK:
        installed = importlib.metadata.distribution(name)
        assert re.search(
            rf"^{name}=={re.escape(installed.version)}\b.*\\\n    --hash=sha256:", lock, re.M
        ), name
        needed = {
            Requirement(text).name for text in installed.requires or () if "extra ==" not in text
        }
        assert needed <= set(SDK), name


def test_the_sdk_runs_on_any_platform_and_on_the_functions_python():
    version = RUNTIME.removeprefix("python")
    for name in SDK:
        found = importlib.metadata.distribution(name)
        assert "none-any" in found.read_text("WHEEL"), name
        assert version in SpecifierSet(found.metadata["Requires-Python"] or ">=3"), name
    assert not [name for name in sdk_files() if name.endswith((".so", ".pyd", ".dylib"))]


def test_a_version_that_is_not_pinned_is_refused(tmp_path):
    other = tmp_path / "requirements.lock"
    other.write_text("boto3==0.1 \\\n    --hash=sha256:0\n")
    with pytest.raises(
        CodeError, match=r"boto3 [\d.]+ is installed, but requirements.lock pins 0\.1; run `make"
    ):
        sdk_files(other)


@pytest.mark.parametrize(("limit", "what"), [("ZIPPED", "zipped"), ("UNZIPPED", "unzipped")])
def test_an_archive_that_lambda_would_refuse_is_refused_before(limit, what, monkeypatch):
    monkeypatch.setattr(packaging, f"LIMIT_{limit}", 1024)
    with pytest.raises(CodeError, match=rf"archive is \d+\.\d MiB {what}; Lambda takes"):
        packed(archive_files())


def test_the_archive_is_far_below_the_limits(archive):
    assert len(archive) < 4 * 2**20
