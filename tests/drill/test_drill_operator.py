"""The drill's operator: the installed command, in the folder of the stack files, on an AWS."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from moto.server import ThreadedMotoServer

from contract.names import Names
from contract.sites import Site, Strategy
from local.drill import stacks
from local.drill.operator import Operator
from local.drill.waiting import DrillError
from local.gateway.process import LocalAws
from local.paths import ROOT
from local.ports import free_port
from tests.cli.test_rerun import Agent, make_state_table, recover
from tests.metadata.conftest import cluster, filled, hard_world, new_world, target, vault
from tests.metadata.metadata_world import Vault, World

__all__ = ["cluster", "filled", "hard_world", "new_world", "target", "vault"]

pytestmark = pytest.mark.airflow

NAMES = Names(stacks.NAME, "123456789012")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    aws = LocalAws(f"http://127.0.0.1:{port}", 0, NAMES.account)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    yield aws
    # What the server knows is kept by this process, not by the server.
    urlopen(Request(f"{aws.endpoint}/moto-api/reset", method="POST")).close()  # noqa: S310
    server.stop()


@pytest.fixture
def operator(aws: LocalAws, tmp_path: Path) -> Operator:
    values = stacks.configuration(
        Site.DR, NAMES.account, Strategy.BACKUP_RESTORE, "2.10.3", ROOT / "build"
    )
    (tmp_path / "Pulumi.dr.yaml").write_text(yaml.safe_dump(values))
    return Operator(stacks.Stacks(tmp_path, aws))


@pytest.fixture
def agent(aws: LocalAws, target: World) -> Iterator[Agent]:
    del aws  # it must be up
    make_state_table(NAMES)
    agent = Agent(target, NAMES)
    yield agent
    agent.end()


def test_the_operator_sees_what_was_interrupted_and_runs_it_again(
    filled: World, target: World, vault: Vault, agent: Agent, operator: Operator
) -> None:
    recover(filled, target, vault, agent, NAMES)
    found = operator.interrupted()
    assert {(run["dag_id"], run["run_id"]) for run in found} == {
        ("busy", "live"), ("busy", "waiting"),
    }  # fmt: skip
    agent.live()
    assert operator.rerun(["busy"]) == ["busy/live", "busy/waiting"]
    states = dict(target.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'"))
    assert states == {"live": "queued", "waiting": "queued", "done": "success"}


@pytest.mark.usefixtures("agent")
def test_what_the_command_refuses_ends_the_drill(operator: Operator) -> None:
    with pytest.raises(DrillError, match="was not promoted with a restored backup"):
        operator.interrupted()
