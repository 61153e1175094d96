from pulumi_policy import EnforcementLevel, PolicyPack

from mwaa_dr_policy import POLICIES

PolicyPack(name="mwaa-dr", policies=POLICIES, enforcement_level=EnforcementLevel.MANDATORY)
