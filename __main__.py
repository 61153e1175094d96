"""Deploys the site that the stack is named after."""

import pulumi

from components.base import Place
from components.settings import from_pulumi
from components.sites import build

for key, value in build(Place(*from_pulumi())).items():
    pulumi.export(key, value)
