"""Keeps warm processes per function and lends them to invocations."""

import hashlib
import importlib.util
import io
import json
import os
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.clocks import variables
from local.gateway.access.guard import Guard
from local.gateway.lambda_runtime.process import FunctionProcess, Outcome
from local.gateway.world import World

SERVICE = "lambda.amazonaws.com"
IDLE_SECONDS = 300.0
PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""What AWS's Python runtimes have beside the standard library."""


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function, as far as running it goes."""

    arn: str
    name: str
    version: str
    region: str
    role: str
    handler: str
    code: bytes = field(repr=False)
    code_hash: str
    environment: dict[str, str] = field(default_factory=dict)
    timeout: float = 3
    memory: int = 128
    log_group: str = ""
    subnets: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Changes whenever warm processes no longer fit."""
        facts = [self.code_hash, self.handler, self.environment, self.memory, self.version]
        facts += [self.role, self.subnets]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class TooManyRequestsError(Exception):
    """The function's reserved concurrency is used up."""


class Runner:
    """Runs functions; one process serves one invocation at a time, as in AWS."""

    def __init__(self, world: World, guard: Guard) -> None:
        self._world = world
        self._guard = guard
        self._root = world.root / "lambda"
        self._packages = self._root / "runtime"
        self._lock = threading.Lock()
        self._idle: dict[str, list[FunctionProcess]] = {}
        self._identity: dict[str, str] = {}
        self._busy: dict[str, set[FunctionProcess]] = {}

    def invoke(
        self,
        function: Function,
        event: Any,  # noqa: ANN401
        *,
        reserved: int | None = None,
    ) -> tuple[Outcome, str]:
        """Run `function` on `event`; return the outcome and the request id.

        Raises:
            TooManyRequestsError: `reserved` invocations are running already.
            DeniedError: Lambda may not act as the function's role.
        """
        request_id = str(uuid.uuid4())
        process = self._take(function, reserved)
        try:
            outcome = process.invoke(
                event, request_id=request_id, arn=function.arn, timeout=function.timeout
            )
        except BaseException:
            process.kill()
            self._give_back(function, process, alive=False)
            raise
        self._give_back(function, process, alive=outcome.alive)
        return outcome, request_id

    def tick(self) -> None:
        """End processes that were idle for long."""
        oldest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            stale = [p for pool in self._idle.values() for p in pool if p.last_used < oldest]
            for pool in self._idle.values():
                pool[:] = [p for p in pool if p not in stale]
        for process in stale:
            process.kill()

    def kill(self, region: str | None = None) -> None:
        """End the processes of a Region's functions, busy ones too; of all without a Region."""
        with self._lock:
            arns = [a for a in {*self._idle, *self._busy} if region in (None, a.split(":")[3])]
            idle = [process for arn in arns for process in self._idle.pop(arn, [])]
            busy = [process for arn in arns for process in self._busy.get(arn, ())]
        for process in busy:
            process.terminate()
        for process in idle:
            process.kill()

    def _take(self, function: Function, reserved: int | None) -> FunctionProcess:
        stale: list[FunctionProcess] = []
        identity = function.identity
        with self._lock:
            busy = self._busy.setdefault(function.arn, set())
            if reserved is not None and len(busy) >= reserved:
                raise TooManyRequestsError(function.name)
            if self._identity.get(function.arn) != identity:
                stale = self._idle.pop(function.arn, [])
                self._identity[function.arn] = identity
            idle = self._idle.setdefault(function.arn, [])
            while idle and not idle[-1].alive:
                stale.append(idle.pop())
            process = idle.pop() if idle else self._start(function)
            busy.add(process)
        for old in stale:
            old.kill()
        return process

    def _give_back(self, function: Function, process: FunctionProcess, *, alive: bool) -> None:
        with self._lock:
            self._busy[function.arn].discard(process)
            fits = alive and self._identity.get(function.arn) == function.identity
            if fits and not self._world.stopping.is_set():
                self._idle.setdefault(function.arn, []).append(process)
                return
        if alive:
            process.kill()

    def _start(self, function: Function) -> FunctionProcess:
        self._link_packages()
        logs = self._root / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        stream = (
            f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{function.version}]{uuid.uuid4().hex}"
        )
        return FunctionProcess(
            task_root=self._unpacked(function),
            packages=self._packages,
            log=logs / f"{function.name}-{uuid.uuid4().hex}.log",
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "TZ": ":UTC",
                **variables(self._world.clocks.functions),
                **self._guard.acting(
                    function.role, SERVICE, session=function.name, subnets=function.subnets
                ).variables,
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_EXECUTION_ENV": "AWS_Lambda_python",
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_VERSION": function.version,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
                "AWS_LAMBDA_LOG_STREAM_NAME": stream,
                **function.environment,
                "_HANDLER": function.handler,
                "AWS_REGION": function.region,
                "AWS_DEFAULT_REGION": function.region,
                "AWS_ENDPOINT_URL": self._world.endpoint,
                "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            },
        )

    def _unpacked(self, function: Function) -> Path:
        folder = self._root / "code" / function.code_hash
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
            with zipfile.ZipFile(io.BytesIO(function.code)) as archive:
                archive.extractall(partial)
            partial.rename(folder)
        return folder

    def _link_packages(self) -> None:
        if self._packages.exists():
            return
        partial = self._packages.with_name(f"runtime.{uuid.uuid4().hex}")
        partial.mkdir(parents=True)
        for name in PACKAGES:
            spec = importlib.util.find_spec(name)
            if spec is None or spec.origin is None:
                raise ModuleNotFoundError(f"{name} is not installed; run `make setup`")
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (partial / source.name).symlink_to(source)
        partial.rename(self._packages)
