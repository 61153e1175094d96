"""The user's own checks: real calls to moto and to a TLS server of the test, and what they mean."""

import dataclasses
import http.server
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contract import state
from contract.checks import CheckKind, Comparison, DeclaredCheck, NoData, from_dict, to_dict
from contract.handler_config import HandlerConfig
from contract.verdict import SignalState
from handlers.adapters import declared
from handlers.adapters.answers import all_outcomes
from handlers.assess import assess
from handlers.core.declared import judge
from handlers.core.signals import Answer, Outcome
from tests.handlers.installation import CONFIG, Installation
from tests.handlers.test_assess import environments, heartbeat

GOOD, BAD = SignalState.GOOD, SignalState.BAD
SILENT, UNKNOWN = SignalState.UNREACHABLE, SignalState.UNKNOWN
EAST = "us-east-1"
METRIC = DeclaredCheck(
    "orders",
    CheckKind.METRIC,
    region=EAST,
    namespace="Shop",
    metric="Waiting",
    dimensions={"Queue": "orders"},
    statistic="Maximum",
    comparison=Comparison.ABOVE,
    threshold=900,
)
ALARM = DeclaredCheck("payments", CheckKind.ALARM, region=EAST, alarm="payments-errors")


class Site(http.server.BaseHTTPRequestHandler):
    """`/ok` is well, `/slow` answers too late, anything else is an error."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            threading.Event().wait(3)
        moved = self.path == "/moved"
        status = 302 if moved else 200 if self.path.startswith("/ok") else 503
        self.send_response(status)
        if moved:
            self.send_header("Location", "/ok")
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *args: object) -> None:
        pass


def certificate(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1 that only this test believes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "site.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def site(pem: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def trusted(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))


def result_of(check: DeclaredCheck, installation: Installation):
    runtime = installation.runtime
    clients = dataclasses.replace(runtime.clients, probe_seconds=0.5)
    calls = declared.calls([check], clients, runtime.now())
    outcomes = all_outcomes(calls, deadline_seconds=2)
    return judge(check, outcomes[check.name])


def https(url: str, **changes) -> DeclaredCheck:
    return DeclaredCheck("page", CheckKind.HTTPS, url=url, **changes)


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        ("/ok", {}, GOOD),
        ("/ok?deep=1", {"pattern": '"status": *"ok"'}, GOOD),
        ("/ok", {"pattern": "maintenance"}, BAD),
        ("/broken", {}, BAD),
        ("/broken", {"status": 503}, GOOD),
        ("/moved", {}, BAD),
        ("/moved", {"status": 302}, GOOD),
        ("/slow", {}, SILENT),
    ],
)
@pytest.mark.usefixtures("trusted")
def test_a_page_is_good_if_it_answers_as_it_should(
    installation: Installation, site: str, path: str, changes: dict, expected: SignalState
) -> None:
    assert result_of(https(site + path, **changes), installation).state is expected


def test_a_page_whose_certificate_nobody_believes_is_bad(
    installation: Installation, site: str
) -> None:
    found = result_of(https(f"{site}/ok"), installation)
    assert found.state is BAD
    assert "certificate is not valid" in found.evidence


def test_a_server_that_is_not_there_is_silent(installation: Installation) -> None:
    assert result_of(https("https://127.0.0.1:9/"), installation).state is SILENT


def waiting(installation: Installation, value: float, age: float) -> None:
    installation.runtime.clients.cloudwatch(EAST).put_metric_data(
        Namespace="Shop",
        MetricData=[
            {
                "MetricName": "Waiting",
                "Dimensions": [{"Name": "Queue", "Value": "orders"}],
                "Timestamp": installation.clock.at - timedelta(seconds=age),
                "Value": value,
            }
        ],
    )


@pytest.mark.parametrize(("value", "expected"), [(900, GOOD), (901, BAD)])
def test_a_metric_is_bad_on_the_named_side_of_its_threshold(
    installation: Installation, value: float, expected: SignalState
) -> None:
    waiting(installation, value, 60)
    assert result_of(METRIC, installation).state is expected
    below = dataclasses.replace(METRIC, comparison=Comparison.BELOW, threshold=901)
    assert result_of(below, installation).state is (BAD if value < 901 else GOOD)


@pytest.mark.parametrize(
    ("no_data", "expected"), [(NoData.GOOD, GOOD), (NoData.BAD, BAD), (NoData.UNKNOWN, UNKNOWN)]
)
def test_the_user_says_what_silence_means(
    installation: Installation, no_data: NoData, expected: SignalState
) -> None:
    waiting(installation, 5000, 3600)
    assert result_of(dataclasses.replace(METRIC, no_data=no_data), installation).state is expected


def test_an_alarm_says_it_itself(installation: Installation) -> None:
    client = installation.runtime.clients.cloudwatch(EAST)
    assert result_of(ALARM, installation).state is UNKNOWN, "there is none"
    client.put_metric_alarm(
        AlarmName="payments-errors",
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    for value, expected in (("ALARM", BAD), ("OK", GOOD), ("INSUFFICIENT_DATA", UNKNOWN)):
        client.set_alarm_state(
            AlarmName="payments-errors", StateValue=value, StateReason="for the test"
        )
        assert result_of(ALARM, installation).state is expected


@pytest.mark.parametrize("check", [METRIC, ALARM])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer.UNREACHABLE, SILENT),
        (Answer.DENIED, UNKNOWN),
        (Answer.THROTTLED, UNKNOWN),
        (Answer.FAILED, UNKNOWN),
    ],
)
def test_not_being_able_to_look_is_not_held_against_anybody(
    check: DeclaredCheck, answer: Answer, expected: SignalState
) -> None:
    assert judge(check, Outcome(answer, error="why")).state is expected


def test_checks_travel_in_the_functions_configuration() -> None:
    checks = (METRIC, ALARM, https("https://x.example.com/h", pattern="ok", counts=True))
    config = dataclasses.replace(
        CONFIG, detection=dataclasses.replace(CONFIG.detection, checks=checks)
    )
    assert HandlerConfig.from_json(config.to_json()) == config
    assert all(from_dict(to_dict(check)) == check for check in checks)
    assert to_dict(ALARM) == {
        "name": "payments",
        "kind": "alarm",
        "region": EAST,
        "alarm": "payments-errors",
    }


def test_a_failing_check_degrades_the_verdict_and_is_kept_with_its_evidence(
    installation: Installation,
) -> None:
    environments(installation)
    heartbeat(installation)
    installation.pulse(10)
    installation.backup(60)
    waiting(installation, 5000, 60)
    config = installation.runtime.config
    detection = dataclasses.replace(config.detection, checks=(METRIC,))
    runtime = dataclasses.replace(
        installation.runtime, config=dataclasses.replace(config, detection=detection)
    )
    event = {"index": 0, "started_at": installation.clock.at.isoformat()}
    found = assess(event, runtime)
    assert found["verdict"] == "DEGRADED"
    assert found["reasons"] == ["check orders: bad (5000, bad above 900)"]
    (kept,) = runtime.state.get(state.READINGS)["readings"][-1]["checks"]
    assert (kept["check"], kept["state"]) == ("orders", "bad")
