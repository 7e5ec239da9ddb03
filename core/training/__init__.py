"""The training engine: one linear loop in `loop.py`, and the parts it calls."""
