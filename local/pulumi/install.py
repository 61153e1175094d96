"""Puts the Pulumi engine, the language host and the local `aws` provider in their places.

`python -m local.pulumi.install` does it once; later calls find everything done.
"""

import compileall
import fcntl
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

from local.paths import BUILD, ROOT

LOG = logging.getLogger(__name__)
BIN = BUILD / "bin"
HOME = BUILD / "pulumi-home"
SOURCE = ROOT / "tools" / "pulumi"
COMMAND = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK = "github.com/pulumi/pulumi/sdk/v3"
HOST = "pulumi-language-python"
EXECUTOR = "pulumi-language-python-exec"
REPORT_SECONDS = 20
COMPILED = (
    *("cloudwatch", "config", "dynamodb", "ec2", "iam", "kms", "lambda_", "mwaa", "s3"),
    *("scheduler", "sfn", "sns", "vpc"),
)
"""Folders of `pulumi_aws` that programs here import."""


def _wrapper(module: str) -> str:
    """A program of this package as one executable file.

    The checkout is put on the path inside the interpreter: a PYTHONPATH would reach the user's
    program as well, and the program's folder must not shadow this package.
    """
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {module} import main; main()"
    return f'#!/bin/sh\nexec "{sys.executable}" -P -c "{code}" "$@"\n'


def _write_executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text() == text:
        return
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.chmod(0o755)
    scratch.replace(path)


def own_engine() -> Path | None:
    """The machine's own Pulumi CLI, if Pulumi's Python host lies beside it."""
    places = [
        place
        for place in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if Path(place).resolve() != BIN
    ]
    found = shutil.which("pulumi", path=os.pathsep.join(places))
    if found is None:
        return None
    folder = Path(found).resolve().parent
    beside = (folder / HOST).exists() or (Path(found).parent / HOST).exists()
    return Path(found) if beside else None


def _go() -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise FileNotFoundError(
            "neither `pulumi` with its Python language host nor `go` is on PATH; "
            "install the Pulumi CLI, or Go 1.26 or newer to build it"
        )
    return go


def _version() -> str:
    for line in (SOURCE / "go.mod").read_text().splitlines():
        words = line.split()
        if "github.com/pulumi/pulumi/pkg/v3" in words:
            return words[words.index("github.com/pulumi/pulumi/pkg/v3") + 1]
    raise ValueError(f"{SOURCE / 'go.mod'} does not require {COMMAND}")


def _report(process: subprocess.Popen[str], done: threading.Event) -> None:
    started = time.monotonic()
    while not done.wait(REPORT_SECONDS) and process.poll() is None:
        LOG.info("still building Pulumi, %d s", time.monotonic() - started)


def _build(target: Path) -> None:
    """Build the CLI that `tools/pulumi` pins; about 3 minutes on 2 cores."""
    LOG.info("building the Pulumi CLI %s from its Go modules, once; about 3 minutes", _version())
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    link = f"-s -w -X {SDK}/go/common/version.Version={_version()}"
    done = threading.Event()
    with subprocess.Popen(
        [_go(), "build", "-buildvcs=false", "-o", scratch, "-ldflags", link, COMMAND],
        cwd=SOURCE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        threading.Thread(target=_report, args=(process, done), daemon=True).start()
        _, errors = process.communicate()
        done.set()
    if process.returncode:
        scratch.unlink(missing_ok=True)
        raise RuntimeError(f"building the Pulumi CLI failed:\n{errors}")
    scratch.replace(target)


def _executor_source() -> Path:
    listing = subprocess.run(
        [_go(), "list", "-m", "-f", "{{.Dir}}", SDK],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(listing.stdout.strip()) / "python" / "cmd" / EXECUTOR


def _ensure_engine() -> None:
    pinned = b"".join((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum"))
    stamp = BIN / ".pulumi-built"
    key = hashlib.sha256(pinned).hexdigest()
    if not (stamp.exists() and stamp.read_text() == key and (BIN / "pulumi").exists()):
        _build(BIN / "pulumi")
        # Copied, not kept in the repository: it belongs to the SDK and must fit the CLI.
        shutil.copyfile(_executor_source(), BIN / EXECUTOR)
        (BIN / EXECUTOR).chmod(0o644)
        stamp.write_text(key)
    _write_executable(BIN / HOST, _wrapper("local.pulumi.language_host"))


def _ensure_provider() -> None:
    name = f"resource-aws-v{version('pulumi-aws')}"
    plugin = HOME / "plugins" / name / "pulumi-resource-aws"
    _write_executable(plugin, _wrapper("local.pulumi.provider.server"))


def _ensure_bytecode() -> None:
    """Compile the large generated modules once, also where Python is told to write no bytecode.

    Without it each program spends 4 s on compiling the same files again.
    """
    found = importlib.util.find_spec("pulumi_aws")
    if found is None or found.origin is None:
        raise ImportError("pulumi_aws is not installed; run `make setup`")
    stamp = BUILD / f".bytecode-{version('pulumi-aws')}"
    if stamp.exists():
        return
    root = Path(found.origin).parent
    compileall.compile_dir(root, maxlevels=0, quiet=2)
    for folder in COMPILED:
        compileall.compile_dir(root / folder, quiet=2)
    for package in ("pulumi", "pulumi_policy", "grpc", "google", "botocore"):
        compileall.compile_dir(root.parent / package, quiet=2)
    stamp.touch()


def ensure() -> Path:
    """Install what is missing; return the Pulumi CLI to use.

    Safe to call from several processes at once.

    Raises:
        FileNotFoundError: there is neither a Pulumi CLI nor Go.
        RuntimeError: the build failed; the compiler's words are in the error.
    """
    BIN.mkdir(parents=True, exist_ok=True)
    HOME.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".pulumi.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _ensure_provider()
        _ensure_bytecode()
        engine = own_engine()
        if engine is None:
            _ensure_engine()
            engine = BIN / "pulumi"
    return engine


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    LOG.info("Pulumi CLI: %s", ensure())


if __name__ == "__main__":
    main()
