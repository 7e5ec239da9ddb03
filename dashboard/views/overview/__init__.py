"""Overview: what is running, the default model, where to start."""
