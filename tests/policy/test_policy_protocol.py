"""The pack as the engine starts it: its own process, spoken to over its gRPC protocol."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import struct_pb2
from policy_judge import DELETE, urn
from policy_programs import OPEN_WITHOUT_PRIMARY, dr, primary
from pulumi.runtime.proto import analyzer_pb2 as pb
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from mwaa_dr_policy import RULES
from mwaa_dr_policy import kinds as k

PACK = Path(__file__).resolve().parents[2] / "policy"
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
        level = ADVISORY if rule.advisory else MANDATORY
        request.policyConfig[rule.name].enforcementLevel = level
        request.policyConfig[rule.name].properties.update(config.get(rule.name, {}))
    pack.Configure(request)


def struct(props):
    value = struct_pb2.Struct()
    value.update(props)
    return value


def analyze(pack, kind, props, name="it"):
    request = pb.AnalyzeRequest(type=kind, properties=struct(props), urn=urn(kind, name), name=name)
    return pack.Analyze(request).diagnostics


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
        assert policy.enforcementLevel == (ADVISORY if rule.advisory else MANDATORY)
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
        assert list(analyze(fresh_pack, raw["type"], raw["props"], name)) == []


def test_a_resource_violation_is_mandatory_and_says_how_to_mend_it(pack):
    props = primary().set("environment", "airflowVersion", "2.6.3")["environment"]["props"]
    [diagnostic] = analyze(pack, k.ENVIRONMENT, props)
    assert diagnostic.policyName == "mwaa-dr-environment-supported"
    assert diagnostic.enforcementLevel == MANDATORY
    assert "MWAA creates no environment with Airflow 2.6.3 any more. Upgrade" in diagnostic.message


def test_an_advisory_rule_warns(pack):
    props = primary().set("environment", "kmsKey", DELETE)["environment"]["props"]
    [diagnostic] = analyze(pack, k.ENVIRONMENT, props)
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
    [note] = analyze(pack, k.ENVIRONMENT, program["environment"]["props"])
    assert note.policyName == "mwaa-dr-environment-supported"
    assert note.enforcementLevel == ADVISORY
    assert "airflowVersion of it is not known yet" in note.message


def test_the_other_stack_is_read_from_its_export(pack, tmp_path):
    notes = analyze_stack(pack, dr())
    assert {note.policyName for note in notes} == OPEN_WITHOUT_PRIMARY
    assert all("otherStack" in note.message for note in notes)
    resources = [
        {"type": raw["type"], "urn": urn(raw["type"], name), "outputs": raw["props"]}
        for name, raw in primary().items()
    ]
    export = tmp_path / "primary.json"
    export.write_text(json.dumps({"version": 3, "deployment": {"resources": resources}}))
    configure(pack, {rule: {"otherStack": str(export)} for rule in OPEN_WITHOUT_PRIMARY})
    assert list(analyze_stack(pack, dr())) == []


def test_an_export_that_cannot_be_read_says_which_and_how_to_make_it(pack):
    configure(pack, {"mwaa-dr-bucket-replicated": {"otherStack": "nowhere.json"}})
    with pytest.raises(grpc.RpcError, match=r"'nowhere.json' is not an exported stack.*pulumi st"):
        analyze_stack(pack, dr())
