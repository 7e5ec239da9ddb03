"""Compare: overlaid curves, config diff and significance tests."""
