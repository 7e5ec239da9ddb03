"""Scores and predictions of trained networks; numpy and scikit-learn only, so that pages never pay for torch."""
