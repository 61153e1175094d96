"""A rehearsal on one machine: work runs, a Region dies, the work goes on elsewhere.

The drill only watches a recovery; it never helps it along.
"""
