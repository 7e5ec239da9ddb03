"""What starts a training process: this machine's runner, or the engine of a cluster."""
