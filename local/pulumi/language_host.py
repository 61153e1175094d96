# ruff: noqa: N802, ARG002 - the names and parameters are the protocol's
"""A Python language host for the Pulumi engine, for machines that lack Pulumi's own.

It starts programs through `pulumi-language-python-exec` of the SDK and policy packs through
`pulumi.policy`, each in its own process and with the interpreter its project asks for. It does not
run type checkers (`typechecker` in `Pulumi.yaml` is left to CI) and generates no code.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict

from local.paths import BUILD
from local.pulumi.interpreter import Interpreter, choose
from local.pulumi.protocol import (
    OPTIONS,
    Context,
    Message,
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
)

EXECUTOR = BUILD / "bin" / "pulumi-language-python-exec"
ALREADY_SHOWN = 32
"""The executor's exit code when it has told the user what went wrong."""
CHUNK = 65536
_children: set[subprocess.Popen[bytes]] = set()


def _interpreter(info: Message) -> Interpreter:
    return choose(MessageToDict(info.options), Path(info.root_directory), os.environ)


def _start(
    command: list[str], environment: dict[str, str], folder: str, output: int | None = None
) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    _children.add(child)
    return child


def _wait(child: subprocess.Popen[bytes]) -> int:
    code = child.wait()
    _children.discard(child)
    return code


def _stop_children() -> None:
    for child in tuple(_children):
        with suppress(OSError):
            child.kill()


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """The part of the language protocol that running programs and policy packs takes.

    Args:
        engine: address of the engine's own service, for logs.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def Handshake(self, request: Message, context: Context) -> Message:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Message, context: Context) -> Message:
        return plugin_pb2.PluginInfo(version="1.0.0")

    def GetRequiredPackages(self, request: Message, context: Context) -> Message:
        """None: the one provider is already in its place."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Message, context: Context) -> Message:
        return language_pb2.GetRequiredPluginsResponse()

    def RuntimeOptionsPrompts(self, request: Message, context: Context) -> Message:
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request: Message, context: Context) -> Message:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetProgramDependencies(self, request: Message, context: Context) -> Message:
        chosen = _interpreter(request.info)
        code = (
            "import importlib.metadata as m, json;"
            "print(json.dumps(sorted({d.name: d.version for d in m.distributions()}.items())))"
        )
        listing = subprocess.run(
            [chosen.python, "-c", code], env=chosen.environment, capture_output=True, check=True
        )
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version in json.loads(listing.stdout)
            ]
        )

    def InstallDependencies(self, request: Message, context: Context) -> Iterator[Message]:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"this host installs nothing; prepare {request.info.root_directory} with `make setup`",
        )
        yield language_pb2.InstallDependenciesResponse()

    def Cancel(self, request: Message, context: Context) -> Message:
        _stop_children()
        return empty_pb2.Empty()

    def Run(self, request: Message, context: Context) -> Message:
        try:
            chosen = _interpreter(request.info)
        except ValueError as error:
            return language_pb2.RunResponse(error=str(error))
        chosen.environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        chosen.environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        child = _start(
            [
                *(chosen.python, "-u", str(EXECUTOR)),
                *("--monitor", request.monitor_address, "--engine", self._engine),
                *("--project", request.project, "--stack", request.stack),
                *("--organization", request.organization),
                *("--root_directory", request.info.root_directory, "--pwd", request.pwd),
                *("--dry_run", str(request.dryRun).lower(), "--parallel", str(request.parallel)),
                str(Path(request.info.program_directory) / (request.info.entry_point or ".")),
                *request.args,
            ],
            chosen.environment,
            request.pwd,
        )
        code = _wait(child)
        if code in (0, ALREADY_SHOWN):
            return language_pb2.RunResponse(bail=code == ALREADY_SHOWN)
        return language_pb2.RunResponse(error=f"the program ended with exit code {code}")

    def RunPlugin(self, request: Message, context: Context) -> Iterator[Message]:
        try:
            chosen = _interpreter(request.info)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        folder = request.info.program_directory
        arguments = (
            ["-m", "pulumi.policy", _address(list(request.args)), folder]
            if request.kind == "analyzer"
            else [folder, *request.args]
        )
        child = _start(
            [chosen.python, "-u", *arguments],
            {**chosen.environment, **dict(entry.split("=", 1) for entry in request.env)},
            request.pwd,
            subprocess.PIPE,
        )
        context.add_callback(child.terminate)
        for is_error, chunk in _output(child):
            if is_error:
                yield language_pb2.RunPluginResponse(stderr=chunk)
            else:
                yield language_pb2.RunPluginResponse(stdout=chunk)
        yield language_pb2.RunPluginResponse(exitcode=_wait(child))


def _output(child: subprocess.Popen[bytes]) -> Iterator[tuple[bool, bytes]]:
    """What the child writes and whether it is an error, until it has closed both streams."""
    chunks: queue.Queue[tuple[bool, bytes]] = queue.Queue()

    def pump(is_error: bool, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), CHUNK):
            chunks.put((is_error, chunk))
        chunks.put((is_error, b""))

    streams = [stream for stream in (child.stdout, child.stderr) if stream is not None]
    for stream in streams:
        is_error = stream is child.stderr
        threading.Thread(target=pump, args=(is_error, stream), daemon=True).start()
    still_open = len(streams)
    while still_open:
        is_error, chunk = chunks.get()
        if chunk:
            yield is_error, chunk
        else:
            still_open -= 1


def _address(arguments: list[str]) -> str:
    """The engine's address: the first argument that is not a flag."""
    found = next((item for item in arguments if not item.startswith("-")), None)
    if found is None:
        raise SystemExit("no engine address was given; this program is started by the Pulumi CLI")
    return found


def _quit(*_: object) -> NoReturn:
    """After a failed run the engine interrupts and then waits 5 s for the host; do not use them."""
    _stop_children()
    os._exit(0)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _quit)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(_address(sys.argv[1:])), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
