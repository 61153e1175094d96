"""The Pulumi engine anywhere: its CLI, a Python language host and an `aws` provider.

The engine is Pulumi's own. Only what cannot be had everywhere is made here: the CLI is built from
its Go modules where it is not installed, a small language host stands in where Pulumi's own is
missing, and the provider carries out the `aws` resources against the local AWS.
"""
