"""What exists: the AWS resources of both sites, as Pulumi components."""
