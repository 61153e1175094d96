"""One process of one function: an execution environment in AWS's words."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
INIT_SECONDS = 10.0
"""AWS gives a function so long to load (Lambda developer guide, "Init phase")."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one invocation.

    Args:
        payload: JSON text: the function's value, or its error.
        failed: whether it is an error.
        log: what the function wrote, and the platform's own lines.
        alive: whether the process can serve another invocation.
    """

    payload: str
    failed: bool
    log: str
    alive: bool


def _error(kind: str, message: str) -> str:
    return json.dumps({"errorType": kind, "errorMessage": message})


class FunctionProcess:
    """Serves one invocation at a time until it is killed or dies."""

    def __init__(self, *, task_root: Path, packages: Path, log: Path, env: dict[str, str]) -> None:
        read_end, write_end = os.pipe()
        self._replies = read_end
        self._buffer = b""
        self._log = log
        self._log_offset = 0
        self.last_used = time.monotonic()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", BOOTSTRAP],
                cwd=task_root,
                env={
                    **env,
                    "LAMBDA_TASK_ROOT": str(task_root),
                    "_LOCAL_RUNTIME_PACKAGES": str(packages),
                    "_LOCAL_REPLY_FD": str(write_end),
                },
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(write_end,),
                start_new_session=True,
            )
        os.close(write_end)
        self._ready = False
        self._eof = False

    def invoke(
        self,
        event: Any,  # noqa: ANN401
        *,
        request_id: str,
        arn: str,
        timeout: float,
    ) -> Outcome:
        """Run the handler once. The time-out counts from when the function is loaded."""
        if not self._ready:
            reply = self._reply(INIT_SECONDS)
            if reply is None:
                return self._ended(request_id, INIT_SECONDS)
            if "error" in reply:
                outcome = Outcome(json.dumps(reply["error"]), True, self._new_log(), False)
                self.kill()
                return outcome
            self._ready = True
        call = {
            "event": event,
            "request_id": request_id,
            "arn": arn,
            "seconds": timeout,
        }
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 -- it was opened as a pipe
        with contextlib.suppress(BrokenPipeError):  # a dead process is told by its missing reply
            stdin.write(json.dumps(call).encode() + b"\n")
            stdin.flush()
        reply = self._reply(timeout)
        if reply is None:
            return self._ended(request_id, timeout)
        self.last_used = time.monotonic()
        if "error" in reply:
            reply["error"]["requestId"] = request_id
            return Outcome(json.dumps(reply["error"]), True, self._new_log(), True)
        return Outcome(reply["payload"], False, self._new_log(), True)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def terminate(self) -> None:
        """End it while another thread waits for its reply; that thread then cleans up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it and all that it started, and clean up."""
        self.terminate()
        self._process.wait()
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._replies >= 0:
            os.close(self._replies)
            self._replies = -1
        self._log.unlink(missing_ok=True)

    def _ended(self, request_id: str, timeout: float) -> Outcome:
        """No reply came: the time is over, or the process has ended by itself."""
        exited = self._process.poll() is not None or self._eof
        log = self._new_log()
        if exited:
            code = self._process.wait()
            how = f"signal: {-code}" if code < 0 else f"exit status {code}"
            message = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
            payload = _error("Runtime.ExitError", message)
        else:
            message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
            payload = _error("Sandbox.Timedout", message)
        self.kill()
        return Outcome(payload, True, f"{log}{message}\n", False)

    def _reply(self, seconds: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._replies], [], [], left)[0]:
                return None
            chunk = os.read(self._replies, 1 << 20)
            if not chunk:
                self._eof = True
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _new_log(self) -> str:
        """What the process wrote since the last call; it flushes before each reply."""
        with self._log.open("rb") as written:
            written.seek(self._log_offset)
            data = written.read()
        self._log_offset += len(data)
        return data.decode("utf-8", "replace")
