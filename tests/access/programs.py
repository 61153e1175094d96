"""The program in every kind of configuration, run once for all tests that only look."""

from functools import cache

from tests.components.program_run import ACCOUNT, Program, run_program, settings_of

STACKS = ("primary", "dr")
EXISTING = {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
CONFIGURATIONS = {
    "as committed": {},
    "active-passive": {"strategy": "active-passive"},
    "replicated backups": {
        "backup": {"intervalSeconds": 300, "copyMode": "replicate"},
        "objectives": {"rpoMinutes": 30},
    },
    "one Region": {"drRegion": "us-east-1"},
    "what the user has": {
        "network": {"primary": EXISTING, "dr": EXISTING},
        "code": {"replication": False},
        "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/edge",
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
    if (stack, name) != ("dr", "one Region")  # its stack file names another Region
]
