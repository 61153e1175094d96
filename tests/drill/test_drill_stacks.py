"""The drill deploys what a user would: its settings are ones that the program accepts."""

from pathlib import Path

import pytest

from components.settings import parse
from contract.sites import Site, Strategy
from local.drill import stacks
from local.paths import ROOT
from local.pulumi.environment import ENCRYPTION_SALT


@pytest.mark.parametrize("site", Site)
def test_the_program_accepts_the_settings(site):
    written = stacks.configuration(
        site, "123456789012", Strategy.BACKUP_RESTORE, "2.10.3", ROOT / "build" / "dags"
    )
    assert written["encryptionsalt"] == ENCRYPTION_SALT
    values = written["config"]
    assert values.pop("aws:region") == stacks.REGIONS[site]
    settings = parse({key.removeprefix("mwaa-dr:"): value for key, value in values.items()})
    assert settings.backup.interval_seconds == stacks.BACKUP_SECONDS
    assert not settings.backup.allow_deletion
    assert settings.code.dags_directory == str(Path("build") / "dags")
