"""How fast training, predictions and pages are on this machine."""
