"""An installation on moto in this process."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto import mock_aws

from handlers.adapters.clients import Clients
from handlers.runtime import Runtime
from tests.handlers.installation import CONFIG, REGIONS, Clock, Installation, prepare
from tests.handlers.machine_edges import RECORDED, record
from tests.handlers.stage import Stage, staged


def set_fake_credentials(patch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(autouse=True)
def fake_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    set_fake_credentials(monkeypatch)


@pytest.fixture(scope="session")
def made_clients() -> dict[tuple[str, str, bool], object]:
    """Making a client takes 50 ms, and moto answers those that were made before it began."""
    with pytest.MonkeyPatch.context() as patch:
        set_fake_credentials(patch)
        clients = Clients(2.0)
        for region in (*REGIONS.values(), CONFIG.witness_region):
            for probe in (True, False):
                clients.s3(region, probe=probe)
                clients.cloudwatch(region, probe=probe)
                clients.mwaa(region, probe=probe)
            clients.sts(region, probe=True)
        for make in (clients.dynamodb, clients.sns, clients.events):
            make(CONFIG.dr.region)
        return dict(clients._made)


@pytest.fixture
def installation(made_clients: dict) -> Iterator[Installation]:
    with mock_aws():
        clock, clients = Clock(), Clients(2.0)
        clients._made.update(made_clients)
        made = prepare(Installation(Runtime(CONFIG, clients, now=clock), clock))
        yield made
        for stub in made.stubs.values():
            stub.deactivate()


@pytest.fixture
def stage(
    installation: Installation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    """The machines with their functions; parametrized indirectly it is configured."""
    installation.clock.at = datetime.now(UTC)  # Step Functions has a clock of its own
    with staged(installation, tmp_path, monkeypatch, **getattr(request, "param", {})) as made:
        yield made
        if request.node.path.name.startswith(RECORDED):
            executions = ((machine, made.history(one)) for one, machine in made.executions.items())
            strategy = made.runtime.config.strategy
            record(request.node.nodeid, request.node.name, strategy, executions)
