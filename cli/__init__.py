"""The operator's command, `mwaa-dr`."""
