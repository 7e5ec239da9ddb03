"""Data: which datasets there are, and how to get one."""
