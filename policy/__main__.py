from mwaa_dr_policy import POLICIES
from pulumi_policy import EnforcementLevel, PolicyPack

PolicyPack(name="mwaa-dr", policies=POLICIES, enforcement_level=EnforcementLevel.MANDATORY)
