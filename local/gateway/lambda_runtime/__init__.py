"""Runs Lambda functions from their deployed archives, in real processes that stay warm."""
