"""The gateway process: puts the parts together, lets time pass, and ends with all it started.

Run as `python -m local.gateway.server --port PORT --root FOLDER`.
"""

import argparse
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.clocks import RIGHT, Clocks, sweep
from local.gateway.world import ACCESS_KEY, SECRET_KEY, World

log = logging.getLogger(__name__)
MWAA = "local.mwaa.service:MwaaService"
SHUTDOWN_SECONDS = 20.0
"""After this the process ends itself even if an environment does not let itself be closed."""


class Gateway:
    """One local AWS on one port.

    Args:
        port: free loopback port.
        root: folder for everything it writes.
        mwaa: `module:Class` of the MWAA emulator.
        clocks: of what runs in it.
    """

    def __init__(self, port: int, root: Path, mwaa: str = MWAA, clocks: Clocks = RIGHT) -> None:
        os.environ.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)
        # moto reads its settings from the environment when it is imported.
        from werkzeug.serving import make_server  # noqa: PLC0415

        from local.gateway import moto_patches  # noqa: PLC0415
        from local.gateway.access.guard import Guard  # noqa: PLC0415
        from local.gateway.alarms import Alarms  # noqa: PLC0415
        from local.gateway.app import Application  # noqa: PLC0415
        from local.gateway.control_api import ControlApi  # noqa: PLC0415
        from local.gateway.deliveries import Deliveries  # noqa: PLC0415
        from local.gateway.handler import QuietHandler  # noqa: PLC0415
        from local.gateway.health import Health  # noqa: PLC0415
        from local.gateway.lambda_runtime.runner import Runner  # noqa: PLC0415
        from local.gateway.mwaa import Mwaa  # noqa: PLC0415
        from local.gateway.replication import Replicator  # noqa: PLC0415
        from local.gateway.scheduler import Scheduler  # noqa: PLC0415
        from local.gateway.telemetry import Telemetry  # noqa: PLC0415

        root.mkdir(parents=True, exist_ok=True)
        self.world = World(f"http://127.0.0.1:{port}", root, clocks)
        telemetry = Telemetry(self.world)
        guard = Guard(self.world.account)
        self._deliveries = Deliveries(self.world, guard)
        self._runner = Runner(self.world, guard)
        self._replicator = Replicator(self.world, guard, telemetry)
        alarms = Alarms(self.world, self._deliveries, telemetry)
        scheduler = Scheduler(self.world, self._deliveries, telemetry)
        self._mwaa = Mwaa(mwaa, self.world)
        moto_patches.apply_all(
            moto_patches.Parts(
                world=self.world,
                guard=guard,
                telemetry=telemetry,
                deliveries=self._deliveries,
                runner=self._runner,
                replicator=self._replicator,
                alarms=alarms,
            )
        )
        control = ControlApi(
            world=self.world,
            guard=guard,
            mwaa=self._mwaa,
            runner=self._runner,
            replication=self._replicator,
            deliveries=self._deliveries,
            health=Health(telemetry, self.world.account),
            stop=self.stop,
        )
        application = Application(self.world, guard, self._mwaa, control)
        self._server = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=QuietHandler
        )
        self._clocks: list[tuple[float, Callable[[], Any]]] = [
            (0.5, scheduler.tick),
            (0.5, self._deliveries.tick),
            (2.0, alarms.tick),
            (5.0, self._replicator.tick),
            (30.0, self._runner.tick),
        ]
        self._stopped = threading.Lock()

    def serve(self) -> None:
        """Serve until `stop` is called."""
        threading.Thread(target=self._replicator.run, daemon=True, name="replication").start()
        for seconds, action in self._clocks:
            threading.Thread(
                target=self._repeat, args=(seconds, action), daemon=True, name="clock"
            ).start()
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """End all environments and functions, then the server; more calls do nothing."""
        if not self._stopped.acquire(blocking=False):
            return
        threading.Timer(SHUTDOWN_SECONDS, os._exit, (1,)).start()
        self.world.stopping.set()
        self.world.outages.end()
        for close in (self._close_environments, self._runner.kill, self._deliveries.close, sweep):
            try:
                close()
            except Exception:
                log.exception("while stopping")
        self._server.shutdown()

    def _close_environments(self) -> None:
        if self._mwaa.made is not None:
            self._mwaa.made.close()

    def _repeat(self, seconds: float, action: Callable[[], Any]) -> None:
        while not self.world.stopping.wait(seconds):
            try:
                action()
            except Exception:
                log.exception("clock of %r", action)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--mwaa", default=MWAA, help="module:Class of the MWAA emulator")
    for name in ("functions", "airflow"):
        parser.add_argument(f"--{name}-ahead", type=float, default=0.0, metavar="SECONDS")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("botocore", "werkzeug", "urllib3", "moto.stepfunctions"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    clocks = Clocks(functions=arguments.functions_ahead, airflow=arguments.airflow_ahead)
    gateway = Gateway(arguments.port, arguments.root.resolve(), arguments.mwaa, clocks)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=gateway.stop, daemon=True).start())
    gateway.serve()
    os._exit(0)  # hung requests must not keep the process


if __name__ == "__main__":
    main()
