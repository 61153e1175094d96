"""The `aws` package for the Pulumi engine, carried out over boto3 against the local AWS.

`catalog` says, type by type, which AWS calls stand for which properties. Everything else is the
same for all types: `schema` knows the valid property names, `plan` checks and compares, `shapes`
converts values by AWS's own models, `lifecycle` creates, reads, updates and deletes, and `server`
speaks with the engine.
"""
