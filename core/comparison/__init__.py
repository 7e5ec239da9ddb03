"""Runs beside each other: against a baseline, and against their own reproduction."""
