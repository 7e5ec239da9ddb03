"""Overview: what is running, what came out best, where to start."""
