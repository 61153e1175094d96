"""The pack as the engine starts it: its own process, spoken to over its gRPC protocol."""

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf import struct_pb2
from policy_breaks import BREAKS, PRESENT
from policy_judge import DELETE, urn
from policy_programs import OPEN_WITHOUT_PRIMARY, dr, primary, standby
from pulumi.runtime.proto import analyzer_pb2 as pb
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from mwaa_dr_policy import RULES
from mwaa_dr_policy import kinds as k

PACK = Path(__file__).resolve().parents[2] / "policy"
LEVELS = {
    "mandatory": pb.EnforcementLevel.MANDATORY,
    "advisory": pb.EnforcementLevel.ADVISORY,
    "remediate": pb.EnforcementLevel.REMEDIATE,
    "disabled": pb.EnforcementLevel.DISABLED,
}
MANDATORY, ADVISORY = pb.EnforcementLevel.MANDATORY, pb.EnforcementLevel.ADVISORY


@contextmanager
def started():
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def process():
    with started() as pack:
        yield pack


@pytest.fixture
def pack(process):
    """One process for all tests that give it no inputs, each with the default configuration."""
    configure(process, {})
    return process


@pytest.fixture
def fresh_pack():
    """A process that remembers no inputs yet."""
    with started() as pack:
        yield pack


def configure(pack, config):
    request = pb.ConfigureAnalyzerRequest()
    for rule in RULES:
        said = dict(config.get(rule.name, {}))
        level = said.pop("enforcementLevel", rule.level.value)
        request.policyConfig[rule.name].enforcementLevel = LEVELS[level]
        request.policyConfig[rule.name].properties.update(said)
    pack.Configure(request)


def struct(props):
    value = struct_pb2.Struct()
    value.update(props)
    return value


def analyze(pack, kind, props, name="it", *, protect=False):
    request = pb.AnalyzeRequest(
        type=kind,
        properties=struct(props),
        urn=urn(kind, name),
        name=name,
        options=pb.AnalyzerResourceOptions(protect=protect),
    )
    return pack.Analyze(request).diagnostics


def tell(pack, program, name):
    raw = program[name]
    return list(analyze(pack, raw["type"], raw["props"], name, protect=raw["protect"]))


def remediate(pack, kind, props):
    request = pb.AnalyzeRequest(type=kind, properties=struct(props), urn=urn(kind, "it"), name="it")
    return pack.Remediate(request).remediations


def analyze_stack(pack, program):
    request = pb.AnalyzeStackRequest()
    for name, raw in program.items():
        resource = request.resources.add(
            type=raw["type"],
            name=name,
            urn=urn(raw["type"], name),
            properties=struct(raw["props"]),
            options=pb.AnalyzerResourceOptions(protect=raw["protect"]),
        )
        for prop, sources in raw["links"].items():
            resource.propertyDependencies[prop].urns.extend(
                urn(program[source]["type"], source) for source in sources
            )
    return pack.AnalyzeStack(request).diagnostics


def test_the_pack_tells_its_rules_levels_and_defaults(pack):
    info = pack.GetAnalyzerInfo(pb.google_dot_protobuf_dot_empty__pb2.Empty())
    assert info.name == "mwaa-dr"
    told = {policy.name: policy for policy in info.policies}
    assert set(told) == {rule.name for rule in RULES}
    for rule in RULES:
        policy = told[rule.name]
        assert policy.enforcementLevel == LEVELS[rule.level.value]
        assert policy.remediation_steps == rule.remedy
        assert policy.severity != 0
        for option in rule.all_options:
            schema = dict(policy.configSchema.properties[option.key])
            assert schema["description"] == option.description
            assert schema["type"] == option.schema["type"]


def test_a_good_program_gets_no_diagnostics(fresh_pack):
    program = primary()
    assert list(analyze_stack(fresh_pack, program)) == []
    for name, raw in program.items():
        found = analyze(fresh_pack, raw["type"], raw["props"], name, protect=raw["protect"])
        assert list(found) == []


def test_a_resource_violation_is_mandatory_and_says_how_to_mend_it(pack):
    props = primary().set("environment", "airflowVersion", "2.6.3")["environment"]["props"]
    [diagnostic] = analyze(pack, k.ENVIRONMENT, props, protect=True)
    assert diagnostic.policyName == "mwaa-dr-environment-supported"
    assert diagnostic.enforcementLevel == MANDATORY
    assert "MWAA creates no environment with Airflow 2.6.3 any more. Upgrade" in diagnostic.message


def test_an_advisory_rule_warns(pack):
    props = primary().set("environment", "kmsKey", DELETE)["environment"]["props"]
    [diagnostic] = analyze(pack, k.ENVIRONMENT, props, protect=True)
    assert diagnostic.policyName == "mwaa-dr-environment-key"
    assert diagnostic.enforcementLevel == ADVISORY


def test_a_stack_violation_points_to_its_resource(pack):
    program = primary().set("dags-versioning", "versioningConfiguration.status", "Suspended")
    [diagnostic] = analyze_stack(pack, program)
    assert diagnostic.policyName == "mwaa-dr-bucket-versioned"
    assert diagnostic.enforcementLevel == MANDATORY
    assert diagnostic.urn == urn(k.BUCKET, "dags")


def test_an_unknown_reference_is_decided_by_its_dependencies(pack):
    program = primary().set("dags-versioning", "bucket", UNKNOWN)
    program["dags-versioning"]["links"]["bucket"] = ("dags",)
    assert list(analyze_stack(pack, program)) == []
    program["dags-versioning"]["links"]["bucket"] = ("backups",)
    [diagnostic] = analyze_stack(pack, program)
    assert diagnostic.enforcementLevel == MANDATORY


def test_an_unknown_value_becomes_a_note_beside_the_violations(pack):
    program = primary().set("dags-policy", "policy", UNKNOWN)
    del program["backups-policy"]
    violation, note = analyze_stack(pack, program)
    assert violation.enforcementLevel == MANDATORY
    assert violation.urn == urn(k.BUCKET, "backups")
    assert note.enforcementLevel == ADVISORY
    assert "policy of dags-policy is not known yet" in note.message


def test_an_output_that_the_program_did_not_set_is_absent_and_not_unknown(fresh_pack):
    """A provider previews both what it computes and what nobody set as unknown."""
    program = primary()
    for name, raw in program.items():
        analyze(fresh_pack, raw["type"], raw["props"], name)
    program.set("dags", "versioning", UNKNOWN)
    program.set("dags", "tagsAll", UNKNOWN)
    program.set("dags", "forceDestroy", UNKNOWN)
    program.set("dags", "arn", UNKNOWN)
    program.set("heartbeat", "metricQueries", UNKNOWN)
    assert list(analyze_stack(fresh_pack, program)) == []
    del program["dags-versioning"]
    del program["monitor"]
    diagnostics = analyze_stack(fresh_pack, program)
    assert {diagnostic.policyName for diagnostic in diagnostics} == {
        "mwaa-dr-bucket-versioned",
        "mwaa-dr-reverse-dead-man-alarm",
    }
    assert {diagnostic.enforcementLevel for diagnostic in diagnostics} == {MANDATORY}


def test_an_unknown_value_of_a_resource_becomes_a_note(pack):
    program = primary().set("environment", "airflowVersion", UNKNOWN)
    [note] = analyze(pack, k.ENVIRONMENT, program["environment"]["props"], protect=True)
    assert note.policyName == "mwaa-dr-environment-supported"
    assert note.enforcementLevel == ADVISORY
    assert "airflowVersion of it is not known yet" in note.message


@pytest.fixture(scope="module")
def matrix():
    """A process of its own: it must remember nothing of the other tests' inputs."""
    with started() as pack:
        yield pack


@pytest.mark.parametrize(
    ("rule", "make", "name", "path", "value"),
    BREAKS,
    ids=[f"{row[0]}:{row[2]}.{row[3]}-{index}" for index, row in enumerate(BREAKS)],
)
def test_a_rule_alone_objects_over_the_protocol(  # noqa: PLR0917 - one row of a table
    matrix, other_export, rule, make, name, path, value
):
    """The same matrix as for the pure functions, through the pack's own process."""
    configure(matrix, other_export if make is standby else {})
    usual, program = make(), make().set(name, path, value)
    diagnostics = [*tell(matrix, program, name), *analyze_stack(matrix, program)]
    # The process remembers inputs: the next test must find the usual ones.
    tell(matrix, usual, name)
    found = [one for one in diagnostics if "can't run policy" not in one.message]
    assert {one.policyName for one in found} == {rule}
    level = next(one.level for one in RULES if one.name == rule)
    assert {one.enforcementLevel for one in found} == {LEVELS[level.value]}


UNDECIDABLE = {
    row[0]: row[:4] for row in BREAKS if (row[0], row[3].rpartition(".")[2]) not in PRESENT
}
"""By rule, a property without which it cannot be decided."""


@pytest.mark.parametrize(
    ("rule", "make", "name", "path"), UNDECIDABLE.values(), ids=list(UNDECIDABLE)
)
def test_a_rule_says_that_an_unknown_property_keeps_it_from_deciding(  # noqa: PLR0917
    matrix, other_export, rule, make, name, path
):
    configure(matrix, other_export if make is standby else {})
    usual, program = make(), make().set(name, path, UNKNOWN)
    diagnostics = [*tell(matrix, program, name), *analyze_stack(matrix, program)]
    tell(matrix, usual, name)
    assert {one.enforcementLevel for one in diagnostics} == {ADVISORY}
    assert rule in {one.policyName for one in diagnostics if "can't run policy" in one.message}


def test_a_rule_that_does_not_exist_is_no_rule_to_configure(pack):
    request = pb.ConfigureAnalyzerRequest()
    request.policyConfig["mwaa-dr-bucket-version"].enforcementLevel = MANDATORY
    with pytest.raises(grpc.RpcError, match="did you mean mwaa-dr-bucket-versioned"):
        pack.Configure(request)


@pytest.mark.parametrize("level", ["mandatory", "advisory"])
@pytest.mark.parametrize(
    ("rule", "name", "path", "value"),
    [
        ("mwaa-dr-environment-supported", "environment", "airflowVersion", "2.6.3"),
        ("mwaa-dr-environment-key", "environment", "kmsKey", DELETE),
        ("mwaa-dr-bucket-versioned", "dags-versioning", "bucket", "another"),
    ],
)
def test_each_rule_has_the_level_that_its_configuration_gives(  # noqa: PLR0917
    process, rule, name, path, value, level
):
    configure(process, {rule: {"enforcementLevel": level}})
    assert broken_levels(process, rule, name, path, value) == {LEVELS[level]}
    configure(process, {rule: {"enforcementLevel": "disabled"}})
    assert broken_levels(process, rule, name, path, value) == set()


def broken_levels(pack, rule, name, path, value):
    program = primary().set(name, path, value)
    raw = program[name]
    diagnostics = [*analyze_stack(pack, program), *analyze(pack, raw["type"], raw["props"], name)]
    return {one.enforcementLevel for one in diagnostics if one.policyName == rule}


def test_a_short_retention_of_a_log_is_mended_only_if_that_was_asked_for(process):
    log = dr()["log"]["props"]
    del log["retentionInDays"]
    configure(process, {})
    assert list(remediate(process, k.LOG_GROUP, log)) == []
    configure(process, {"mwaa-dr-log-kept": {"enforcementLevel": "remediate", "days": 180}})
    [mended] = remediate(process, k.LOG_GROUP, log)
    assert mended.policyName == "mwaa-dr-log-kept"
    assert dict(mended.properties) == {
        **log,
        "tags": mended.properties["tags"],
        **{"retentionInDays": 180},
    }
    assert dict(mended.properties["tags"]) == log["tags"]
    log["retentionInDays"] = 180.0
    assert list(analyze(process, k.LOG_GROUP, log)) == []
    assert list(remediate(process, k.LOG_GROUP, log)) == []


def test_missing_tags_are_added_beside_the_others_and_their_sum_too(process):
    log = dr()["log"]["props"]
    log["tagsAll"] = {**log["tags"], "team": "data"}
    rule = "mwaa-dr-resource-tagged"
    wanted = {"team": "data", "cost-centre": "42"}
    configure(process, {rule: {"enforcementLevel": "remediate", "tags": wanted}})
    [mended] = remediate(process, k.LOG_GROUP, log)
    assert dict(mended.properties["tags"]) == {**log["tags"], "cost-centre": "42"}
    assert dict(mended.properties["tagsAll"]) == {**log["tagsAll"], "cost-centre": "42"}


def test_nothing_is_mended_while_a_value_is_unknown(process):
    """The SDK would write the unknown back as text."""
    log = dr()["log"]["props"]
    del log["retentionInDays"]
    log["kmsKeyId"] = UNKNOWN
    configure(process, {"mwaa-dr-log-kept": {"enforcementLevel": "remediate"}})
    assert list(remediate(process, k.LOG_GROUP, log)) == []
    [diagnostic] = analyze(process, k.LOG_GROUP, log)
    assert diagnostic.enforcementLevel == MANDATORY


def excuse(resource, until):
    return {"exceptions": [{"resource": resource, "reason": "replaced in March", "until": until}]}


def test_exceptions_are_reported_once_nothing_needs_them(fresh_pack):
    rule, other = "mwaa-dr-bucket-versioned", "mwaa-dr-environment-key"
    far = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
    configure(fresh_pack, {rule: excuse("dags", far), other: excuse("environment", far)})
    program = primary()
    del program["dags-versioning"]
    analyze(fresh_pack, k.ENVIRONMENT, program["environment"]["props"], "environment")
    [remark] = analyze_stack(fresh_pack, program)
    assert remark.policyName == "mwaa-dr-exception-current"
    assert remark.enforcementLevel == ADVISORY
    assert f"{other} has an exception for environment that nothing needs" in remark.message
    configure(fresh_pack, {rule: excuse("dags", "2020-01-01")})
    analyze(fresh_pack, k.ENVIRONMENT, program["environment"]["props"], "environment")
    found = {one.policyName: one for one in analyze_stack(fresh_pack, program)}
    assert found[rule].enforcementLevel == MANDATORY
    assert "its exception (replaced in March) ended on 2020-01-01" in found[rule].message


@pytest.fixture(scope="module")
def other_export(tmp_path_factory):
    """Configuration that gives every rule the primary program."""
    file = tmp_path_factory.mktemp("other") / "primary.json"
    write_export(file, primary())
    return {
        rule.name: {"otherStack": str(file)}
        for rule in RULES
        if "otherStack" in {option.key for option in rule.options}
    }


def write_export(file, program):
    resources = [
        {"type": raw["type"], "urn": urn(raw["type"], name), "outputs": raw["props"]}
        for name, raw in program.items()
    ]
    file.write_text(json.dumps({"version": 3, "deployment": {"resources": resources}}))


def test_the_other_stack_may_be_a_preview_and_its_secrets_stay_unknown(pack, tmp_path):
    planned = primary().set("environment", "airflowConfigurationOptions", "[secret]")
    steps = [
        {
            "op": "create",
            "newState": {
                "type": raw["type"],
                "urn": urn(raw["type"], name),
                "inputs": raw["props"],
            },
        }
        for name, raw in planned.items()
    ]
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"steps": [{"op": "delete", "oldState": {}}, *steps]}))
    rules = {*OPEN_WITHOUT_PRIMARY, "mwaa-dr-environment-equal"}
    configure(pack, {rule: {"otherStack": str(file)} for rule in rules})
    # Whether backups travel both ways is told by an option that is hidden here.
    notes = analyze_stack(pack, standby())
    assert {note.policyName for note in notes} == {
        "mwaa-dr-bucket-replicated",
        "mwaa-dr-environment-equal",
    }
    assert all("is a secret; export it with --show-secrets" in note.message for note in notes)


def test_what_nobody_set_in_the_preview_of_the_other_stack_is_absent_and_not_unknown(
    pack, tmp_path
):
    """A provider previews the Region of a part as unknown, where the program leaves it out."""
    unset = {"region": UNKNOWN, "tagsAll": UNKNOWN}
    steps = []
    for name, raw in primary().items():
        inputs = {key: value for key, value in raw["props"].items() if key not in ("region", "arn")}
        state = {"type": raw["type"], "urn": urn(raw["type"], name), "inputs": inputs}
        steps.append({"newState": {**state, "outputs": {**inputs, **unset}}})
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"steps": steps}))
    configure(pack, {rule: {"otherStack": str(file)} for rule in OPEN_WITHOUT_PRIMARY})
    assert list(analyze_stack(pack, dr())) == []


def test_what_the_other_stack_only_reads_is_not_declared_there(pack, tmp_path):
    export = tmp_path / "primary.json"
    write_export(export, primary())
    written = json.loads(export.read_text())
    for resource in written["deployment"]["resources"]:
        resource["external"] = resource["type"] == k.BUCKET_REPLICATION
    export.write_text(json.dumps(written))
    configure(pack, {"mwaa-dr-bucket-replicated": {"otherStack": str(export)}})
    found = [one for one in analyze_stack(pack, dr()) if one.enforcementLevel == MANDATORY]
    assert {one.policyName for one in found} == {"mwaa-dr-bucket-replicated"}


def test_the_other_stack_is_read_from_its_export(pack, tmp_path):
    notes = analyze_stack(pack, dr())
    assert {note.policyName for note in notes} == OPEN_WITHOUT_PRIMARY
    assert all("otherStack" in note.message for note in notes)
    export = tmp_path / "primary.json"
    write_export(export, primary())
    configure(pack, {rule: {"otherStack": str(export)} for rule in OPEN_WITHOUT_PRIMARY})
    assert list(analyze_stack(pack, dr())) == []


def test_an_export_that_cannot_be_read_says_which_and_how_to_make_it(pack):
    configure(pack, {"mwaa-dr-bucket-replicated": {"otherStack": "nowhere.json"}})
    with pytest.raises(grpc.RpcError, match=r"'nowhere.json' is not an exported stack.*pulumi st"):
        analyze_stack(pack, dr())
