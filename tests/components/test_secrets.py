"""What may hold a secret is a secret in the state, wherever the program puts it."""

import json
from functools import cache

import pytest
from program_run import program, run_program, settings_of

HIDDEN = "s3cr3t"
HOOK = {"protocol": "https", "endpoint": f"https://hooks.example.com/{HIDDEN}"}
OPTIONS = {"smtp.smtp_password": HIDDEN}
CHECK = {"name": "shop", "kind": "https", "url": f"https://example.com/health?token={HIDDEN}"}
WITH_SECRETS = {
    "notifications": [HOOK],
    "escalation": {"notifications": [HOOK]},
    "recovery": {"airflowOptions": OPTIONS},
    "environment": {
        **settings_of("dr")["environment"],
        "airflowConfigurationOptions": OPTIONS,
    },
    "detection": {**settings_of("dr")["detection"], "checks": [CHECK]},
}


@cache
def secretive(stack, strategy):
    return run_program(stack, {**WITH_SECRETS, "strategy": strategy})


@pytest.mark.parametrize("strategy", ["backup-restore", "active-passive"])
@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_the_state_shows_no_secret(stack, strategy):
    found = secretive(stack, strategy)
    assert any(HIDDEN in json.dumps(one.inputs, default=str) for one in found.resources)
    for one in found.registered:
        assert HIDDEN not in json.dumps(one.shown, default=str), one.urn
    assert HIDDEN not in json.dumps(found.outputs, default=str)


@pytest.mark.parametrize("key", ["recovery", "detection"])
def test_each_setting_that_may_hold_a_secret_hides_what_carries_it(key):
    found = run_program("dr", {key: WITH_SECRETS[key]})
    for one in found.of("Function"):
        assert HIDDEN not in json.dumps(one.shown, default=str), one.urn


def test_what_holds_no_secret_can_be_read_in_a_preview():
    for one in program("dr").of("Function"):
        assert one.shown["environment"] == one.inputs["environment"]
