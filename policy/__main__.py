import sys
from pathlib import Path

# The contract lies beside the pack: rules and program must be of one checkout.
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from pulumi_policy import EnforcementLevel, PolicyPack

from mwaa_dr_policy import POLICIES
from mwaa_dr_policy.configuration import check_first
from mwaa_dr_policy.reading import read_once

read_once()
check_first()
PolicyPack(name="mwaa-dr", policies=POLICIES, enforcement_level=EnforcementLevel.MANDATORY)
