"""Datasets: importing FER2013 and others, validating them, and memory-mapping them for training."""
