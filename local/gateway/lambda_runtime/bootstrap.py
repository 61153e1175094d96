"""The runtime inside a function's process. Uses the standard library alone.

Started with `-I -S`, so that nothing but the archive, the standard library and what AWS itself
puts beside a Python function (boto3 and its needs) can be imported.
"""

import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import Any


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id = call["request_id"]
        self.invoked_function_arn = call["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + call["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def failure(kind: str, message: str, error: BaseException | None = None) -> dict[str, Any]:
    result: dict[str, Any] = {"errorMessage": message, "errorType": kind, "requestId": ""}
    if error is not None:
        result["stackTrace"] = traceback.format_tb(error.__traceback__)
    return {"error": result}


def load(name: str) -> Any:  # noqa: ANN401
    """The handler, or the error that AWS gives for it."""
    module_name, _, function = name.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except Exception as error:
        kind = "ImportModuleError" if isinstance(error, ImportError) else type(error).__name__
        return failure(
            f"Runtime.{kind}", f"Unable to import module '{module_name}': {error}", error
        )
    if not hasattr(module, function):
        return failure(
            "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'"
        )
    return getattr(module, function)


def call_handler(handler: Any, call: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    try:
        value = handler(call["event"], Context(call))
    except Exception as error:
        traceback.print_exc()
        return failure(type(error).__name__, str(error), error)
    try:
        return {"payload": json.dumps(value)}
    except (TypeError, ValueError) as error:
        return failure("Runtime.MarshalError", f"Unable to marshal response: {error}", error)


def configure_logging() -> None:
    """As AWS does: a handler on the root logger, its level left at WARNING."""
    import logging  # noqa: PLC0415 -- only after the path is set

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("[%(levelname)s]\t%(asctime)sZ\t%(message)s"))
    logging.getLogger().addHandler(handler)


def calls() -> "queue.Queue[dict[str, Any]]":
    """Invocations as they come; when nobody is there to send any, end with all we started."""
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
    return waiting


def main() -> None:
    waiting = calls()
    replies = os.fdopen(int(os.environ.pop("_LOCAL_REPLY_FD")), "w")
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], os.environ.pop("_LOCAL_RUNTIME_PACKAGES")]
    configure_logging()
    handler = load(os.environ["_HANDLER"])

    def answer(reply: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    answer({"ready": True} if callable(handler) else handler)
    while True:
        answer(call_handler(handler, waiting.get()))


if __name__ == "__main__":
    main()
