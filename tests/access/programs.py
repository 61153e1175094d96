"""The program in every kind of configuration, run once for all tests that only look."""

from functools import cache

from tests.components.program_run import ACCOUNT, Program, run_program, settings_of

STACKS = ("primary", "dr")
EXISTING = {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
CONFIGURATIONS = {
    "as committed": {},
    "a passive environment among what the user has": {
        "strategy": "active-passive",
        "network": {"primary": EXISTING, "dr": EXISTING},
        "code": {"replication": False},
        "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/edge",
    },
    "replicated backups in one Region": {
        "backup": {"intervalSeconds": 300, "copyMode": "replicate"},
        "objectives": {"rpoMinutes": 30},
        "drRegion": "us-east-1",
    },
}


@cache
def program(stack: str, configuration: str = "as committed") -> Program:
    """One stack of one configuration."""
    changes = CONFIGURATIONS[configuration]
    merged = {
        key: {**settings_of(stack).get(key, {}), **value} if key == "backup" else value
        for key, value in changes.items()
    }
    return run_program(stack, merged)


ALL = [
    (stack, name)
    for name in CONFIGURATIONS
    for stack in STACKS
    # The dr stack's file names another Region.
    if (stack, name) != ("dr", "replicated backups in one Region")
]
