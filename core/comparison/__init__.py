"""Comparing runs: with a baseline, and with their own reproduction."""
