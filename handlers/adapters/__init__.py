"""Calls to AWS, every one of them bounded in time."""
