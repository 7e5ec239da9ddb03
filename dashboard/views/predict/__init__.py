"""Predict: classify the facial expressions in photos."""
