"""The parts around the engine that need no engine: interpreters, wrappers, functions, config."""

import base64
import hashlib
import json
import socket
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local.pulumi import install
from local.pulumi.environment import ENCRYPTION_SALT, PASSPHRASE
from local.pulumi.interpreter import choose
from local.pulumi.provider import clients, config, functions
from local.pulumi.provider.wire import UNKNOWN


def test_the_virtualenv_option_is_relative_to_the_project_file(tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    pack = tmp_path / "policy"
    chosen = choose({"virtualenv": "../.venv"}, pack, {"PATH": "/bin", "PYTHONHOME": "x"})
    assert chosen.python == str(python)
    assert chosen.environment["PATH"] == f"{python.parent}:/bin"
    assert "PYTHONHOME" not in chosen.environment


def test_a_missing_virtualenv_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"virtualenv='nowhere'.*make setup"):
        choose({"virtualenv": "nowhere"}, tmp_path, {})


def test_uv_finds_the_virtualenv_beside_the_nearest_lock_file(tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "uv.lock").touch()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert choose({"toolchain": "uv"}, inner, {}).python == str(python)


def test_without_options_the_shells_python_is_used(tmp_path):
    assert choose({}, tmp_path, {}).python == "python3"


def test_a_wrapper_keeps_the_programs_folder_and_path_out_of_the_tools_imports(tmp_path):
    """A program's own `local` folder must not be taken for this package."""
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "__init__.py").write_text("raise RuntimeError('the program`s own')")
    wrapper = tmp_path / "host"
    install._write_executable(wrapper, install._wrapper("local.pulumi.language_host"))
    done = subprocess.run([wrapper], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "started by the Pulumi CLI" in done.stderr


def test_the_committed_salt_belongs_to_the_committed_passphrase():
    """Else the CLI would refuse the stack files, or write a new salt into them."""
    version, salt, _, nonce, proof = ENCRYPTION_SALT.split(":")
    assert version == "v1"
    derived = hashlib.pbkdf2_hmac(
        "sha256", PASSPHRASE.encode(), base64.b64decode(salt), 1_000_000, 32
    )
    opened = AESGCM(derived).decrypt(base64.b64decode(nonce), base64.b64decode(proof), None)
    assert opened == b"pulumi"


def test_a_policy_document_is_built_without_any_call():
    text = functions.FUNCTIONS["aws:iam/getPolicyDocument:getPolicyDocument"].run(
        None,
        {
            "statements": [
                {
                    "sid": "One",
                    "actions": ["s3:GetObject"],
                    "resources": ["a", "b"],
                    "principals": [{"type": "Service", "identifiers": ["x.amazonaws.com"]}],
                    "conditions": [{"test": "Bool", "variable": "v", "values": ["true"]}],
                }
            ]
        },
    )["json"]
    assert json.loads(text) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "One",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": ["a", "b"],
                "Principal": {"Service": "x.amazonaws.com"},
                "Condition": {"Bool": {"v": "true"}},
            }
        ],
    }


def test_an_unknown_function_is_refused_with_the_known_ones():
    with pytest.raises(functions.UnknownFunctionError, match="getCallerIdentity"):
        functions.find("aws:ec2/getAmi:getAmi", {})


def test_a_provider_setting_that_would_be_ignored_is_refused():
    found = [failure.property for failure in config.failures({"region": "x", "profile": "p"})]
    assert found == ["profile"]


def test_settings_arrive_as_values_or_as_json_text():
    tags = {"tags": {"a": "b"}}
    for given in (tags, json.dumps(tags)):
        made = config.settings({"region": "eu-west-1", "defaultTags": given})
        assert made.region == "eu-west-1"
        assert made.default_tags == {"a": "b"}


def test_a_region_that_is_not_known_yet_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert config.settings({"region": UNKNOWN}).region == "eu-west-1"


def test_the_generated_messages_are_loaded_without_the_sdk():
    code = (
        "import sys; from local.pulumi import protocol;"
        "sys.exit('pulumi.output' in sys.modules or 'pulumi.resource' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=install.ROOT)


def test_a_region_that_hangs_is_told_as_such_and_soon(monkeypatch):
    monkeypatch.setattr(clients, "READ_SECONDS", 0.2)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(clients.UNREACHABLE) as raised:
            clients.Clients().get("sns", "us-east-1").list_topics()
    assert clients.explain(raised.value, "us-east-1").startswith("us-east-1 does not answer")


def test_without_a_local_aws_nothing_is_called(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(clients.LocalAwsMissingError, match="make local-up"):
        clients.Clients().get("sns", "us-east-1")
