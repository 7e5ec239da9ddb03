"""Train: select a preset and a dataset, see the estimated time, start the run."""
