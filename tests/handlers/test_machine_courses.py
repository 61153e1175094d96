"""Every kind of incident from its opening to its end, on real Step Functions."""

from dataclasses import replace

import pytest

from contract import keys
from contract.lifecycle import SiteState
from contract.machines import RECOVERY
from contract.orders import Order, OrderKind
from contract.ownership import Ownership
from contract.sites import Site, Strategy
from tests.handlers.installation import CONFIG
from tests.handlers.stage import PASSIVE, Stage, nothing_moved

pytestmark = pytest.mark.engine

FAILOVER = "failover-e0001-01"
DR_OWNS = Ownership(
    Site.DR, 2, SiteState.ACTIVE, FAILOVER, "2026-11-26T09:00:00+00:00", lost_at="2026-11-26T09:00"
)


def imports(stage: Stage) -> list[tuple[Site, str, str, str]]:
    return [
        (order.site, order.payload["mode"], order.payload["phase"], order.payload["backup"])
        for order in stage.agents.done
        if order.kind is OrderKind.IMPORT
    ]


# failover


def test_a_lost_owner_is_replaced_by_a_created_environment(stage: Stage) -> None:
    key = stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert stage.agents.kinds() == ["import", "unpause", "import"]
    assert imports(stage) == [
        (Site.DR, "restore", "resume", key),
        (Site.DR, "restore", "history", key),
    ]
    assert (stage.ownership.owner, stage.ownership.state) == (Site.DR, SiteState.ACTIVE)
    assert stage.ownership.standby is SiteState.FENCE_PENDING
    assert "not-fenced" in stage.steps()


@PASSIVE
def test_an_owner_that_still_answers_loses_nothing(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert stage.agents.kinds() == ["pause", "export", "import", "unpause"]
    (imported,) = imports(stage)
    assert imported[:3] == (Site.DR, "follow", "all")
    assert imported[3] == stage.agents.exported
    assert stage.ownership.standby is SiteState.STANDBY
    assert stage.environments == [CONFIG.dr.environment]


@PASSIVE
def test_an_owner_that_answers_but_cannot_export_is_recovered_from_its_newest_backup(
    stage: Stage,
) -> None:
    stage.environment(Site.DR)
    key = stage.backup(600)
    stage.agents.on(OrderKind.EXPORT, lambda _: ({}, "OperationalError"))
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert imports(stage)[0][3] == key
    assert "no-final-export" in stage.steps()
    assert stage.ownership.standby is SiteState.FENCE_PENDING


@PASSIVE
def test_a_person_may_take_an_older_backup_to_the_other_site(stage: Stage) -> None:
    stage.environment(Site.DR)
    older = stage.backup(900)
    stage.backup(60)
    wanted = older.split("/")[3]
    assert stage.recover(by="me", wanted=wanted) == "SUCCEEDED", stage.incident()
    assert imports(stage) == [(Site.DR, "replace", "all", older)]
    assert stage.ownership.standby is SiteState.FENCE_PENDING


def test_a_wanted_backup_that_is_spoilt_is_not_replaced_by_another(stage: Stage) -> None:
    wanted = stage.backup(900, spoil="resume/dag_run.zst")
    stage.backup(60)
    assert stage.recover(by="me", wanted=wanted.split("/")[3]) == "FAILED"
    assert f"backup {wanted.split('/')[3]}" in stage.incident()["reason"]
    assert "cannot be restored" in stage.incident()["reason"]
    nothing_moved(stage)


def test_a_refused_backup_makes_way_for_an_older_one(stage: Stage) -> None:
    older, newest = stage.backup(300), stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    stage.agents.on(
        OrderKind.IMPORT,
        lambda order: ({}, "BackupRefusedError" if order.payload["backup"] == newest else ""),
    )
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert [one[3] for one in imports(stage)] == [newest, older, older]


def test_where_every_backup_is_refused_it_stops(stage: Stage) -> None:
    for age in (300, 200, 100):
        stage.backup(age)
    stage.agents.silent = {Site.PRIMARY}
    stage.agents.on(OrderKind.IMPORT, lambda _: ({}, "BackupRefusedError"))
    assert stage.recover() == "FAILED"
    assert "NoBackupError" in stage.incident()["reason"]
    assert len(imports(stage)) == 3
    nothing_moved(stage)


@pytest.mark.parametrize("spoil", ["manifest.json", "oracle.json"])
def test_without_a_whole_backup_nothing_changes_hands_and_it_can_start_again(
    stage: Stage, spoil: str
) -> None:
    stage.agents.silent = {Site.PRIMARY}
    stage.backup(60, spoil=spoil)
    if spoil == "manifest.json":
        for key in stage.keys(keys.site_backups(Site.PRIMARY)):
            if key.endswith(spoil):
                stage.s3().delete_object(Bucket=CONFIG.dr.backup_bucket, Key=key)
    assert stage.recover() == "FAILED"
    assert "NoBackupError: no backup of primary" in stage.incident()["reason"]
    nothing_moved(stage)
    stage.backup(0)
    assert stage.recover(by="me") == "SUCCEEDED"
    assert stage.incident_id == "failover-e0001-02"


# planned failover


@PASSIVE
def test_a_planned_failover_drains_exports_and_hands_over(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    assert stage.recover("planned-failover", by="me") == "SUCCEEDED", stage.incident()
    assert stage.agents.kinds() == ["pause", "drain", "export", "import", "unpause"]
    assert [order.site for order in stage.agents.done][:3] == [Site.PRIMARY] * 3
    assert imports(stage)[0][:3] == (Site.DR, "follow", "all")
    record = stage.ownership
    assert (record.owner, record.epoch, record.standby) == (Site.DR, 2, SiteState.STANDBY)
    assert stage.incident()["figures"]["rpo_seconds"] == 0
    for site in Site:
        assert Ownership.from_json(stage.text(keys.OWNERSHIP, site)) == record


@PASSIVE
@pytest.mark.parametrize("kind", [OrderKind.PAUSE, OrderKind.DRAIN, OrderKind.EXPORT])
def test_a_planned_failover_whose_owner_fails_is_undone(stage: Stage, kind: OrderKind) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    stage.agents.on(kind, lambda _: ({}, "OperationalError"), Site.PRIMARY)
    assert stage.recover("planned-failover", by="me") == "FAILED"
    assert "OperationalError: said the agent" in stage.incident()["reason"]
    nothing_moved(stage)
    if kind is not OrderKind.PAUSE:
        undo = stage.agents.done[-1]
        assert (undo.kind, undo.site) == (OrderKind.UNPAUSE, Site.PRIMARY)
        assert undo.payload == {"dags": ["sales", "stock"]}
        assert "unfenced" in stage.steps()
    assert imports(stage) == []


@PASSIVE
def test_a_planned_failover_never_takes_an_older_backup_than_the_final_one(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)

    def refuse_the_final(order: Order):
        is_final = order.payload["backup"] == stage.agents.exported
        return ({}, "BackupRefusedError") if is_final else ({"rows": 1}, "")

    stage.agents.on(OrderKind.IMPORT, refuse_the_final)
    assert stage.recover("planned-failover", by="me") == "FAILED"
    assert "NotHandedOverError" in stage.incident()["reason"]
    nothing_moved(stage)
    assert stage.agents.kinds(Site.PRIMARY)[-1] == "unpause"


def test_a_planned_failover_of_backup_restore_creates_before_it_fences(stage: Stage) -> None:
    stage.backup(600)
    assert stage.recover("planned-failover", by="me") == "SUCCEEDED", stage.incident()
    steps = stage.steps()
    assert steps.index("environment-ready") < steps.index("fenced")
    assert steps[-1] == "closed"
    assert stage.ownership.standby is SiteState.STANDBY


# failback


def owned_by_dr(stage: Stage, standby: SiteState = SiteState.FENCED) -> None:
    stage.environment(Site.PRIMARY)
    stage.environment(Site.DR)
    stage.own(replace(DR_OWNS, standby=standby))
    stage.backup(300, site=Site.DR, epoch=2)


def test_a_failback_keeps_the_divergence_reconciles_and_hands_over(stage: Stage) -> None:
    owned_by_dr(stage)
    assert stage.recover("failback", by="me") == "SUCCEEDED", stage.incident()
    done = [(order.kind.value, order.site.value) for order in stage.agents.done]
    assert done == [
        ("export", "primary"),
        ("import", "primary"),
        ("pause", "dr"),
        ("drain", "dr"),
        ("export", "dr"),
        ("import", "primary"),
        ("unpause", "primary"),
    ]
    assert stage.agents.done[0].payload == {"purpose": "divergence"}
    assert [one[1] for one in imports(stage)] == ["reconcile", "follow"]
    record = stage.ownership
    assert (record.owner, record.epoch, record.standby) == (Site.PRIMARY, 3, SiteState.STANDBY)


def test_a_failback_from_a_standby_has_nothing_to_reconcile(stage: Stage) -> None:
    owned_by_dr(stage, SiteState.STANDBY)
    assert stage.recover("failback", by="me") == "SUCCEEDED", stage.incident()
    assert [one[1] for one in imports(stage)] == ["follow"]


def test_a_failback_that_fails_after_reconciling_leaves_the_owner_running(stage: Stage) -> None:
    owned_by_dr(stage)
    stage.agents.on(OrderKind.DRAIN, lambda _: ({}, "OperationalError"))
    assert stage.recover("failback", by="me") == "FAILED"
    nothing_moved(stage, DR_OWNS)
    assert stage.ownership.standby is SiteState.STANDBY
    assert stage.agents.kinds(Site.DR) == ["pause", "drain", "unpause"]
    del stage.agents.answers[None, OrderKind.DRAIN]
    assert stage.recover("failback", by="me") == "SUCCEEDED", stage.incident()


@pytest.mark.parametrize("kind", [OrderKind.EXPORT, OrderKind.IMPORT])
def test_a_failback_that_cannot_reconcile_never_fences_and_can_start_again(
    stage: Stage, kind: OrderKind
) -> None:
    owned_by_dr(stage)
    stage.agents.on(kind, lambda _: ({}, "OperationalError"), Site.PRIMARY)
    assert stage.recover("failback", by="me") == "FAILED"
    nothing_moved(stage, DR_OWNS)
    assert stage.agents.kinds(Site.DR) == []
    del stage.agents.answers[Site.PRIMARY, kind]
    assert stage.recover("failback", by="me") == "SUCCEEDED", stage.incident()
    assert stage.ownership.owner is Site.PRIMARY


# going back in place


@pytest.mark.parametrize("exports", [True, False])
def test_an_owner_goes_back_in_place(stage: Stage, exports: bool) -> None:
    stage.environment(Site.PRIMARY)
    older = stage.backup(900)
    stage.backup(60)
    if not exports:
        stage.agents.on(OrderKind.EXPORT, lambda _: ({}, "OperationalError"))
    assert stage.recover("restore", by="me", wanted=older.split("/")[3]) == "SUCCEEDED"
    assert imports(stage) == [(Site.PRIMARY, "replace", "all", older)]
    record = stage.ownership
    assert (record.owner, record.epoch, record.standby) == (Site.PRIMARY, 2, SiteState.STANDBY)
    assert stage.agents.kinds() == ["pause", "drain", "export", "import", "unpause"]


# drill


def test_a_drill_makes_an_environment_and_removes_it(stage: Stage) -> None:
    key = stage.backup(60)
    assert stage.recover("drill", by="me") == "SUCCEEDED", stage.incident()
    assert stage.agents.kinds() == ["import"]
    assert imports(stage) == [(Site.DR, "restore", "all", key)]
    assert stage.environments == []
    assert stage.keys(keys.OWNERSHIP) == []
    assert stage.steps()[-2:] == ["cleaned-up", "closed"]


@PASSIVE
def test_a_drill_into_the_passive_environment_leaves_it_there(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(60)
    assert stage.recover("drill", by="me") == "SUCCEEDED", stage.incident()
    assert stage.agents.kinds() == ["import"]
    assert stage.environments == [CONFIG.dr.environment]
    nothing_moved(stage)


@PASSIVE
def test_a_drill_that_fails_leaves_the_passive_environment_there(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(60)
    stage.agents.on(OrderKind.IMPORT, lambda _: ({}, "OperationalError"))
    assert stage.recover("drill", by="me") == "FAILED"
    assert stage.environments == [CONFIG.dr.environment]
    assert "OperationalError" in stage.incident()["reason"]
    nothing_moved(stage)


def test_a_drill_that_fails_still_removes_what_it_made(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.on(OrderKind.IMPORT, lambda _: ({}, "OperationalError"))
    assert stage.recover("drill", by="me") == "FAILED"
    assert stage.environments == []
    assert "OperationalError" in stage.incident()["reason"]
    assert stage.agents.kinds(Site.PRIMARY) == []


def test_a_real_incident_interrupts_a_drill_and_takes_its_environment_over(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    given = stage.open("drill", by="me")
    real: list[str] = []

    def lose_the_owner() -> None:
        found = stage.open("failover")
        real.append(stage.start(RECOVERY, found["input"], found["incident_id"]))

    stage.before["RecordEnvironmentReady"] = lose_the_owner
    drill = stage.start(RECOVERY, given["input"], given["incident_id"])
    assert stage.end(drill) == "FAILED"
    assert stage.end(real[0]) == "SUCCEEDED", stage.incident("failover-e0001-02")
    assert stage.incident(given["incident_id"])["status"] == "superseded"
    assert stage.environments == [CONFIG.dr.environment]
    assert (stage.ownership.owner, stage.ownership.epoch) == (Site.DR, 2)
    assert stage.agents.kinds().count("unpause") == 1


# both sites in one Region


TOGETHER = [
    {"strategy": strategy, "primary": replace(CONFIG.primary, region=CONFIG.dr.region)}
    for strategy in Strategy
]


@pytest.mark.parametrize("stage", TOGETHER, indirect=True, ids=list(Strategy))
def test_in_one_region_a_lost_environment_is_replaced_and_gets_its_work_back(stage: Stage) -> None:
    creates = stage.runtime.config.strategy is Strategy.BACKUP_RESTORE
    if not creates:
        stage.environment(Site.DR)
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert (stage.ownership.owner, stage.ownership.standby) == (Site.DR, SiteState.FENCE_PENDING)
    assert stage.environments == [CONFIG.dr.environment]
    assert stage.agents.kinds(Site.PRIMARY) == []

    stage.agents.silent = set()
    stage.becomes("AVAILABLE", Site.PRIMARY)
    stage.runtime.clients.mwaa(CONFIG.dr.region).create_environment(
        Name=CONFIG.primary.environment,
        ExecutionRoleArn=CONFIG.target.execution_role_arn,
        SourceBucketArn=f"arn:aws:s3:::{CONFIG.primary.dag_bucket}",
        DagS3Path="dags",
        NetworkConfiguration={"SubnetIds": ["s-1", "s-2"], "SecurityGroupIds": ["sg-1"]},
    )
    stage.own(replace(stage.ownership, standby=SiteState.FENCED))
    stage.backup(10, site=Site.DR, epoch=2)
    assert stage.recover("failback", by="me") == "SUCCEEDED", stage.incident()
    assert (stage.ownership.owner, stage.ownership.epoch) == (Site.PRIMARY, 3)
