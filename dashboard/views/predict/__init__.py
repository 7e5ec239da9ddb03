"""Predict: what a trained model says about photos."""
