"""Runs: all of them in one table."""
