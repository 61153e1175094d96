# type: ignore  (Airflow is not installed where types are checked)
"""The ledger: what really happened, written by the tasks themselves and by nobody else.

Its path is an Airflow variable that only the metadata database of the primary environment holds:
a task that writes at all in another environment proves that the variable was restored there.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from drill_kit.compat import Variable, get_current_context

VARIABLE = "drill_ledger"


def sha256(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()


def write(event: str, context: Any, values: dict[str, Any] | None = None) -> None:  # noqa: ANN401
    """Append one line; a single write to a file opened for appending is never torn."""
    task_instance, run = context["ti"], context["dag_run"]
    entry = {
        "event": event,
        "dag_id": task_instance.dag_id,
        "run_id": run.run_id,
        "run_type": str(getattr(run.run_type, "value", run.run_type)),
        "task_id": task_instance.task_id,
        "map_index": task_instance.map_index,
        "try_number": task_instance.try_number,
        "logical_date": _iso(context.get("logical_date")),
        "interval_start": _iso(context.get("data_interval_start")),
        "interval_end": _iso(context.get("data_interval_end")),
        "at": datetime.now(UTC).isoformat(),
        "environment": os.environ.get("AIRFLOW_ENV_NAME", ""),
        "region": os.environ.get("AWS_REGION", ""),
        "values": values or {},
    }
    line = (json.dumps(entry, sort_keys=True) + "\n").encode()
    handle = os.open(Variable.get(VARIABLE), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


@contextmanager
def business() -> Iterator[dict[str, Any]]:
    """Write `start` before and `success` after the work; what the work puts into the dict goes in.

    An exception writes nothing: the ledger knows only what was finished.
    """
    context = get_current_context()
    values: dict[str, Any] = {}
    write("start", context)
    yield values
    write("success", context, values)


def tell(context: Any) -> None:  # noqa: ANN401
    """The callback of a task that failed."""
    write("callback", context)
