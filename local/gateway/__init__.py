"""The AWS APIs of several Regions in one process, with an outage switch per Region.

moto answers the APIs; the modules here add what it lacks (time, replication, alarms, functions as
processes) and put right where it differs from AWS in a way that disaster recovery would notice.
"""
