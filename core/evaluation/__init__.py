"""Metrics of trained models. Only `inference`, `nearest` and `grad_cam` import torch, so that pages that show metrics
never pay for it."""
