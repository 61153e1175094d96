"""Runs the peer's own code once, in its own Python: `python -m bench.peer_drive '{"do": ...}'`.

Its DAGs' tasks call `backup` and `restore` of its table objects; so does this, in the order of its
dependency model, in one process. Starting a task per table, as its DAGs do, is not counted.
"""

import importlib
import json
import os
import sys
import time
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any


def perform(order: dict[str, Any]) -> dict[str, Any]:
    """Export (`do: export`) or restore; files are in `$AIRFLOW_HOME/dags/data`."""
    # It is installed only in its own environment.
    factory = importlib.import_module("mwaa_dr.v_2_10.dr_factory").DRFactory_2_10(
        dag_id="bench_peer", path_prefix="data", storage_type="LOCAL_FS", batch_size=5000
    )
    tables = factory.tables()
    context = {"dag_run": SimpleNamespace(conf={})}
    steps: dict[str, float] = {}
    began = time.time()
    if order["do"] == "export":
        factory.setup_backup(**context)
        for table in sorted(tables, key=lambda item: item.name != "xcom"):  # its DAG's order
            _timed(steps, table.name, table.backup, context)
        factory.teardown_backup(**context)
    else:
        factory.setup_restore(**context)
        for table in _in_order(factory.model, tables):
            _timed(steps, table.name, table.restore, context)
        factory.teardown_restore(**context)
    ended = time.time()
    return {"began": began, "seconds": ended - began, "steps": steps}


def _timed(steps: dict[str, float], name: str, action: Any, context: dict[str, Any]) -> None:  # noqa: ANN401
    began = time.time()
    action(**context)
    steps[name] = time.time() - began


def _in_order(model: Any, tables: list[Any]) -> list[Any]:  # noqa: ANN401
    """Tables after those they depend on; `forward_graph` leads from parents to children."""
    order: list[Any] = []
    while len(order) < len(tables):
        waiting = [table for table in tables if table not in order]
        ready = [
            table
            for table in waiting
            if not any(table in model.forward_graph[parent] for parent in waiting)
        ]
        order += ready
    return order


def main() -> None:
    with redirect_stdout(sys.stderr):
        said = perform(json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # Airflow's exit hooks are not part of it


if __name__ == "__main__":
    main()
