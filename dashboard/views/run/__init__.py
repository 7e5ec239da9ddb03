"""Run: one run, live while it trains."""
