"""Detection and recovery: one thin Lambda handler per step.

`core` decides and calls nothing; `adapters` call AWS and decide nothing; `state_machines` says what
comes after what. Only `contract` and boto3 are needed at run time.
"""
