"""What a plain `pulumi` command needs to work against the local AWS, and the stacks' first state.

Secrets. With a passphrase the CLI keeps a salt per stack. It looks for it in the stack file first;
when it is not there it makes a new one and writes it into that file, even when it could take it
from the state (`PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER`), so a first `pulumi up` would change a
committed file. No option turns that off. The committed stack files therefore carry
`encryptionsalt: <ENCRYPTION_SALT>`, which belongs to the public passphrase below: with it the CLI
finds nothing to write. It protects nothing and is meant to protect nothing; a real installation
chooses its own provider (`pulumi stack init --secrets-provider=awskms://...`), which removes the
line.

Another configuration for the same stack is an ordinary `pulumi up -s dr --config-file FILE`; FILE
needs the same line, or the CLI writes one into it. Configuration is never kept in the state, so
nothing has to be put back afterwards.
"""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from local.paths import ROOT, STATE
from local.pulumi.install import HOME, ensure

BACKEND = STATE / "pulumi"
PASSPHRASE = "local"  # noqa: S105 - public on purpose, see above
ENCRYPTION_SALT = "v1:rellamTker4=:v1:wqB8m2ikxGUQh7D5:HTuE043o934EllYonTrFEbkzwAK8eA=="
"""Of `PASSPHRASE`, in the form of a stack file: version, salt, and the word that proves the key."""
STACKS = ("dr", "primary")


def pulumi_environment(*, backend: Path = BACKEND) -> dict[str, str]:
    """Variables that make `pulumi` use the local engine, provider and state.

    The local AWS adds where it listens and its credentials; see there.

    Args:
        backend: the folder of the state. It is created: the CLI refuses a missing one.
    """
    cli = ensure()
    backend.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {
        "PATH": os.pathsep.join(dict.fromkeys([str(cli.parent), *path])),
        "PULUMI_HOME": str(HOME),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # A copy of the state at each step is for backends that people share.
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
    }


def init_stacks(
    project: Path = ROOT, *, stacks: Iterable[str] = STACKS, backend: Path = BACKEND
) -> None:
    """Create the stacks that are not in the state yet.

    Raises:
        RuntimeError: the CLI refused; its words are in the error.
    """
    environment = {**os.environ, **pulumi_environment(backend=backend)}
    for stack in stacks:
        if any(backend.glob(f".pulumi/stacks/*/{stack}.json*")):
            continue
        done = subprocess.run(
            ["pulumi", "stack", "init", stack, "--no-select", "--non-interactive"],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pulumi stack init {stack} failed:\n{done.stdout}{done.stderr}")
