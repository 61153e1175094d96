"""The workload of a drill: one table with a row per DAG, written beside the DAG files as JSON.

All schedules share a cycle of two minutes of which the last 45 seconds are quiet, so that a moment
with nothing in flight comes round by itself. Nothing else is special about the drill's DAGs.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

CYCLE = timedelta(minutes=2)
LEDGER_VARIABLE = "drill_ledger"
CONNECTION = "drill_warehouse"
GREETING_VARIABLE = "drill_greeting"
POOL = "drill_pool"
ORDERS, STOCK = "s3://drill/orders", "s3://drill/stock"


@dataclass(frozen=True, slots=True)
class Row:
    """One DAG.

    Args:
        dag_id: its name.
        shape: which builder of `drill_kit.shapes` makes it.
        business: task id -> number of mapped instances; a run is complete when all have succeeded.
        every: seconds between runs, counted from the start date.
        cron: six fields, the last one is seconds.
        datasets: dataset URIs that trigger it, all of them needed.
        offset: seconds from the anchor to the first run of an `every` schedule.
        history: intervals before the anchor that a catch-up DAG has to run first.
        paused_on_creation: None leaves it to the environment (MWAA pauses new DAGs).
        user_paused: a user pauses it during the drill; it must stay so.
        longest_seconds: how long a run takes at most when it does not wait for a slot.
        options: what the shape needs.
    """

    dag_id: str
    shape: str
    business: dict[str, int]
    every: int | None = None
    cron: str | None = None
    datasets: tuple[str, ...] = ()
    offset: int = 0
    history: int = 1
    catchup: bool = False
    depends_on_past: bool = False
    max_active_runs: int = 4
    paused_on_creation: bool | None = None
    user_paused: bool = False
    longest_seconds: int = 20
    options: dict[str, Any] = field(default_factory=dict)

    def start(self, anchor: datetime) -> datetime:
        if self.every is None:
            return anchor - timedelta(hours=1)
        return anchor + timedelta(seconds=self.offset - self.history * self.every)


CHAIN = {"extract": 1, "load": 1}
WORK = {"work": 1}

ROWS: tuple[Row, ...] = (
    # Ordinary work: no catch-up, values handed from task to task.
    Row("orders_etl", "chain", CHAIN, cron="*/2 * * * * 0,40"),
    Row("invoices_etl", "chain", CHAIN, cron="*/2 * * * * 10"),
    Row("payments_etl", "chain", CHAIN, cron="*/2 * * * * 25,55"),
    Row("web_hits", "single", WORK, cron="*/2 * * * * 0,20,40"),
    Row("mobile_hits", "single", WORK, cron="*/2 * * * * 10,30,50"),
    Row("rates", "single", WORK, cron="* * * * * 5"),
    Row("inventory", "single", WORK, cron="* * * * * 8"),
    # Catch-up: every interval is owed, also those that fall due while nobody runs them.
    Row("billing_catchup", "chain", CHAIN, every=60, offset=2, catchup=True),
    Row("usage_catchup", "single", WORK, every=60, offset=6, catchup=True),
    Row("audit_catchup", "single", WORK, every=120, offset=45, catchup=True),
    Row("archive_history", "single", WORK, every=120, offset=15, history=10, catchup=True),
    # Order matters: a run waits for the one before.
    Row("ledger_order", "single", WORK, every=60, offset=4, catchup=True, depends_on_past=True),
    Row("balance_order", "chain", CHAIN, cron="*/2 * * * * 15,45", depends_on_past=True),
    Row("close_one_by_one", "single", WORK, every=60, catchup=True, max_active_runs=1),
    Row("report_one_by_one", "single", WORK, cron="*/2 * * * * 5,35", max_active_runs=1),
    # A value that lives on from run to run in XCom.
    Row("counter", "counter", WORK, every=60, offset=9, catchup=True, depends_on_past=True,
        max_active_runs=1),
    Row("high_water", "counter", WORK, cron="*/2 * * * * 20", depends_on_past=True,
        max_active_runs=1),
    # Dataset events: producers, a consumer of one, of both, and a second level.
    Row("orders_feed", "producer", WORK, cron="*/2 * * * * 12,48", options={"dataset": ORDERS}),
    Row("stock_feed", "producer", WORK, cron="*/2 * * * * 30", options={"dataset": STOCK}),
    Row("on_orders", "single", WORK, datasets=(ORDERS,)),
    Row("on_stock", "single", WORK, datasets=(STOCK,)),
    Row("on_orders_and_stock", "single", WORK, datasets=(ORDERS, STOCK)),
    # Deferred, rescheduled, long, pooled. Airflow 3 fails a deferred task whose trigger fires
    # before a busy scheduler has heard that its first part ended, and a rescheduled one of which
    # it hears twice that a part ended; users give such tasks retries.
    Row("wait_deferred", "deferrable", WORK, cron="*/2 * * * * 8,38",
        options={"seconds": 6, "retries": 2}),
    Row("wait_long_deferred", "deferrable", WORK, cron="*/2 * * * * 2", longest_seconds=45,
        options={"seconds": 25, "retries": 2}),
    Row("wait_for_file", "sensor", WORK, cron="*/2 * * * * 22",
        options={"seconds": 5, "retries": 2}),
    Row("long_training", "single", WORK, cron="*/2 * * * * 18", longest_seconds=55,
        options={"seconds": 30}),
    Row("long_compaction", "single", WORK, every=120, offset=1, catchup=True, longest_seconds=45,
        options={"seconds": 20}),
    Row("pooled_load", "single", WORK, cron="*/2 * * * * 28", options={"pool": POOL}),
    # Connections, variables, templates.
    Row("reads_connection", "reader", WORK, cron="*/2 * * * * 14,44",
        options={"connection": CONNECTION}),
    Row("reads_variable", "reader", WORK, cron="*/2 * * * * 34",
        options={"variable": GREETING_VARIABLE}),
    Row("templated", "templated", WORK, cron="*/2 * * * * 52",
        options={"variable": GREETING_VARIABLE}),
    # Mapped, retried, failing with a callback, skipping.
    Row("mapped_regions", "mapped", {"plan": 1, "work": 3}, cron="*/2 * * * * 16"),
    Row("flaky", "flaky", WORK, cron="*/2 * * * * 26", longest_seconds=30),
    Row("fails_and_tells", "failing", WORK, cron="*/2 * * * * 24"),
    Row("sometimes_skips", "skipping", WORK, cron="*/2 * * * * 36"),
    # Runs as soon as it is parsed: in a new environment that must not happen before promotion.
    Row("eager", "single", WORK, cron="* * * * * 0", paused_on_creation=False,
        options={"retries": 12}),
    # Paused by a user while the drill runs.
    Row("paused_by_user", "single", WORK, cron="*/2 * * * * 0,30", user_paused=True),
    Row("paused_catchup_by_user", "single", WORK, every=60, offset=3, catchup=True,
        user_paused=True),
)  # fmt: skip


def anchor_near(now: datetime) -> datetime:
    """The latest cycle start that is not after `now`."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // CYCLE * CYCLE


def document(anchor: datetime, rows: Iterable[Row] = ROWS) -> dict[str, Any]:
    """The table as the DAG files and the checker read it; times ISO 8601, UTC."""
    return {
        "anchor": anchor.isoformat(),
        "ledger_variable": LEDGER_VARIABLE,
        "dags": [{**asdict(row), "start": row.start(anchor).isoformat()} for row in rows],
    }


def to_json(anchor: datetime) -> str:
    return json.dumps(document(anchor), indent=1)
