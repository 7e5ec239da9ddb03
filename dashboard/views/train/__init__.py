"""Train: choose what to train, see what it will cost, start it."""
