"""The settings of an installation: one file shape for both stacks, checked before anything else."""

from components.settings.load import SettingsError, from_pulumi, in_file, parse
from components.settings.tree import Settings

__all__ = ["Settings", "SettingsError", "from_pulumi", "in_file", "parse"]
