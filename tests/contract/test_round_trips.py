"""What one part writes, the other reads back unchanged, and nothing else is accepted."""

import json
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import keys
from contract.agent_config import AgentConfig, variable
from contract.functions import BY_STEP, FUNCTIONS
from contract.handler_config import (
    VARIABLE,
    Detection,
    HandlerConfig,
    Recovery,
    SitePlace,
    Target,
)
from contract.lifecycle import TRANSITIONS, SiteState, may_move
from contract.machines import render, substitutions
from contract.manifest import BackupKind, BackupObject, Manifest, ObjectSet
from contract.names import Names
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import INITIAL, Ownership
from contract.pulse import Pulse
from contract.reruns import RerunRequest, RunName
from contract.sites import CopyMode, InFlightRule, Site, Strategy

TEXT = st.text(max_size=20)
SITES = st.sampled_from(Site)


def handler_config() -> HandlerConfig:
    place = SitePlace("us-west-2", "etl-dr", "etl-dr-dags-1", "etl-dr-backups-1")
    return HandlerConfig(
        name="etl",
        account="123456789012",
        partition="aws",
        strategy=Strategy.BACKUP_RESTORE,
        copy_mode=CopyMode.DIRECT,
        primary=SitePlace("us-east-1", "etl-primary", "d", "b"),
        dr=place,
        witness_region="eu-west-1",
        topic_arn="arn:aws:sns:us-west-2:123456789012:etl-dr-alerts",
        detection=Detection(20, 2, 3, 150, 180, 600, 3.0),
        recovery=Recovery(True, InFlightRule.FAIL, 900, 120, 9000),
        target=Target("role", "key", ["a", "b"], ["sg"], {"core.x": "y"}),
        rto_minutes=60,
        rpo_minutes=10,
    )


def manifest() -> Manifest:
    return Manifest(
        backup_id="20261122T000000000000Z",
        kind=BackupKind.BASE,
        installation="etl",
        site=Site.PRIMARY,
        epoch=1,
        environment="etl-primary",
        airflow_version="2.10.3",
        alembic_heads={"alembic_version": "5f2621c13b39"},
        system_identifier="1",
        snapshot="1:2:",
        snapshot_at="2026-11-22T00:00:00+00:00",
        started_at="2026-11-22T00:00:00+00:00",
        finished_at="2026-11-22T00:00:01+00:00",
        seal={"key_id": "k", "ciphertext": "c"},
        objects=[BackupObject("resume/pool.zst", ObjectSet.RESUME, "slot_pool", 1, 2, "h")],
        counts={"slot_pool": 1},
    ).signed(b"data key")


@given(SITES, st.integers(1), st.sampled_from(SiteState), TEXT, TEXT)
def test_ownership_survives_its_mirror(
    site: Site, epoch: int, state: SiteState, incident: str, at: str
) -> None:
    record = Ownership(site, epoch, state, incident, at)
    assert Ownership.from_json(record.to_json()) == record


@given(TEXT, st.sampled_from(OrderKind), SITES, st.dictionaries(TEXT, TEXT))
def test_orders_and_answers_survive_their_objects(
    order_id: str, kind: OrderKind, site: Site, payload: dict[str, str]
) -> None:
    order = Order(order_id, kind, site, 1, "now", "later", "incident", payload)
    ack = Ack(order_id, site, OrderStatus.FAILED, "now", payload, {"type": "X", "message": "m"})
    assert Order.from_json(order.to_json()) == order
    assert Ack.from_json(ack.to_json()) == ack


@pytest.mark.parametrize("reader", [Ownership, Order, Ack, Pulse, Manifest, HandlerConfig])
@pytest.mark.parametrize("text", ["", "{}", "[]", '"x"', '{"site": "moon"}'])
def test_what_is_not_whole_is_refused_as_a_value_error(reader: type, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error counts too
        reader.from_json(text)


def test_a_handler_reads_the_configuration_that_the_stack_wrote() -> None:
    config = handler_config()
    assert HandlerConfig.from_env({VARIABLE: config.to_json()}) == config


def test_an_agent_reads_the_options_that_the_stack_wrote() -> None:
    config = AgentConfig(
        name="etl",
        site=Site.PRIMARY,
        environment="etl-primary",
        region="us-east-1",
        dr_region="us-west-2",
        local_bucket="l",
        dr_bucket="d",
        dag_bucket="g",
        seal_key="arn",
        copy_mode=CopyMode.DIRECT,
        agent_seconds=60,
        export_seconds=300,
        base_seconds=7200,
        purge_days=30,
    )
    environ = {variable(key.split(".")[1]): value for key, value in config.to_options().items()}
    assert AgentConfig.from_env(environ) == config
    assert (config.export_bucket, config.export_region) == ("d", "us-west-2")
    del environ[variable("seal_key")]
    with pytest.raises(KeyError, match="AIRFLOW__MWAA_DR__SEAL_KEY"):
        AgentConfig.from_env(environ)


def test_an_agent_gets_on_without_the_options_that_are_new() -> None:
    """Code reaches an environment before its options do."""
    needed = {field.name: "1" for field in fields(AgentConfig) if field.default is MISSING}
    needed |= {"site": "dr", "copy_mode": "direct"}
    config = AgentConfig.from_env({variable(name): text for name, text in needed.items()})
    assert (config.base_seconds, config.purge_days) == (86_400, 0)
    assert {name.split(".")[1] for name in config.to_options()} == needed.keys()


def test_a_manifest_is_signed_as_a_whole() -> None:
    whole = manifest()
    assert Manifest.from_json(whole.to_json()) == whole
    assert whole.is_signed_by(b"data key")
    assert not whole.is_signed_by(b"another key")
    tampered = whole.to_json().replace('"rows": 1', '"rows": 2')
    assert not Manifest.from_json(tampered).is_signed_by(b"data key")


def test_a_manifest_of_an_unknown_format_is_refused() -> None:
    text = replace(manifest(), format_version=99).to_json()
    with pytest.raises(ValueError, match="format 99"):
        Manifest.from_json(text)


TIMES = st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(TIMES)
def test_a_backup_id_carries_its_time(at: datetime) -> None:
    assert keys.backup_time(keys.backup_id(at)) == at


@given(TIMES, TIMES)
def test_backup_ids_sort_by_time(first: datetime, second: datetime) -> None:
    assert (first < second) == (keys.backup_id(first) < keys.backup_id(second))


@pytest.mark.parametrize("name", ["", "A", "a", "-ab", "ab-", "a" * 21, "a_b", "ü1"])
def test_a_name_that_some_service_would_refuse_is_refused_first(name: str) -> None:
    with pytest.raises(ValueError, match="2 to 20"):
        Names(name, "123456789012")


def test_the_longest_name_fits_every_limit() -> None:
    names = Names("a" * 20, "123456789012", "aws-us-gov")
    for site in Site:
        assert len(names.backup_bucket(site)) <= 63
        assert len(names.dag_bucket(site)) <= 63
        assert len(names.environment(site)) <= 80
    for spec in FUNCTIONS:
        assert len(names.function(spec.step)) <= 64
        assert len(names.role(Site.DR, spec.step)) <= 64


def test_every_function_is_named_once_and_within_lambdas_limit() -> None:
    assert len(BY_STEP) == len(FUNCTIONS)
    assert all(0 < spec.timeout_seconds <= 900 for spec in FUNCTIONS)


def test_a_state_machine_keeps_the_types_of_its_values() -> None:
    values = substitutions(handler_config())
    text = '{"a": "${reading-seconds}", "b": ["${automatic}"], "c": "x-${strategy}", "States": {}}'
    assert render(text, values) == {"a": 20, "b": [True], "c": "x-backup-restore", "States": {}}
    with pytest.raises(KeyError, match="reading-secs"):
        render('{"a": "${reading-secs}", "States": {}}', values)


def test_the_owner_changes_only_with_the_epoch() -> None:
    promoted = INITIAL.promoted(Site.DR, "failover-e0001-01", "now")
    assert (promoted.owner, promoted.epoch, promoted.state) == (Site.DR, 2, SiteState.PROMOTING)
    assert promoted.owned_by(Site.DR)
    assert not promoted.owned_by(Site.PRIMARY)


def test_after_promoting_there_is_no_way_back() -> None:
    assert TRANSITIONS[SiteState.PROMOTING] == {SiteState.ACTIVE}
    assert not may_move(SiteState.PROMOTING, SiteState.STANDBY)
    assert set(TRANSITIONS) == set(SiteState)


RUN_NAMES = st.builds(RunName, st.text("abc._-", min_size=1), st.text(max_size=20))


@given(st.none() | st.lists(RUN_NAMES, max_size=3), st.booleans(), st.booleans(), st.booleans())
def test_a_request_to_run_again_reads_back(
    runs: list[RunName] | None, force: bool, whole: bool, dry_run: bool
) -> None:
    at = "2026-11-26T09:30:00+00:00"
    request = RerunRequest(at, "", runs, force, whole, dry_run)
    travelled = json.loads(json.dumps(request.to_payload()))
    assert RerunRequest.from_payload(travelled) == request


@given(RUN_NAMES)
def test_a_run_reads_back_from_what_an_operator_types(name: RunName) -> None:
    assert RunName.parse(str(name)) == name


@pytest.mark.parametrize(
    "payload",
    [{}, {"runs": [{"dag": "x"}]}, {"runs": None, "more": 1}, {"runs": None, "snapshot_at": "then"},
     {"runs": None, "outage_at": "2026-11-26T09:30:00"}],
)  # fmt: skip
def test_other_requests_to_run_again_are_refused(payload: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a request|is not allowed"):
        RerunRequest.from_payload(payload)
