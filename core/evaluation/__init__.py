"""Scores of trained networks. Only `inference`, `nearest` and `saliency` import torch, so that pages that show figures
never pay for it."""
