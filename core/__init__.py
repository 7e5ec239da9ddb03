"""FER Dashboard's engine: data, training, evaluation, prediction, run folders and jobs; no user interface."""

__version__ = "0.1.0"
