"""Loaded models that are kept between page loads, of runs and ensembles and uploaded ones, and what they compute."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.comparison.candidates import has_predictions
from core.data.identity import DatasetRef
from core.errors import RunError
from core.evaluation.averaging import average_tables
from core.evaluation.metrics import low_confidence_rates
from core.evaluation.predictions import probabilities_of
from core.machine import thread_share
from core.runs.ensembles import MOST_MEMBERS, Candidate, runs_of
from core.runs.records import Run
from core.splits import VALIDATION
from dashboard.state import cache

if TYPE_CHECKING:
    from core.evaluation.nearest import Misclassified
    from core.prediction.predictor import FaceClassifier, Predictor


def predictor(run: Run, *, flip: bool = False) -> "Predictor":
    """A run's best weights, ready to predict. The first one of a server imports torch, which takes seconds.

    Raises:
        RunError: its settings or its weights cannot be used.
    """
    loaded = _predictor(*_model_key(run))
    return type(loaded)(loaded.model, loaded.device, run.temperature_for(flip=flip), flip=flip)


def classifier(candidate: Candidate, *, flip: bool) -> "FaceClassifier":
    """A run's best weights, or those of an ensemble's members together, ready to predict.

    Raises:
        RunError: settings or weights cannot be used.
    """
    if isinstance(candidate, Run):
        return predictor(candidate, flip=flip)
    from core.prediction.ensemble import EnsemblePredictor

    return EnsemblePredictor([predictor(each, flip=flip) for each in candidate.runs])


def _model_key(run: Run) -> tuple[cache.FileKey, str]:
    if run.config is None:
        raise RunError(f"Can't use run {run.id}: {run.problem}")
    return cache.file_key(run.paths.weights), run.config.model


@st.cache_resource(max_entries=MOST_MEMBERS + 2, show_spinner=False)
def _predictor(key: cache.FileKey, model: str) -> "Predictor":
    return _bounded_predictor().load(Path(key[0]), model, device="cpu")


@st.cache_resource(max_entries=4, show_spinner=False)
def own_predictor(file_id: str, _data: bytes, name: str) -> tuple["Predictor", str]:
    """A model from uploaded weights, by the id of the upload; and where in the file they were, empty if it holds
    nothing else.

    Raises:
        WeightsError: they are not those of one of our models.
    """
    from core.models.state_dict import read_weights

    found = read_weights(_data, name)
    return _bounded_predictor()(found.model), found.where


def _bounded_predictor() -> "type[Predictor]":
    """The class, with the threads of this server limited: GPUs and most cores belong to the runs."""
    from core.prediction.predictor import Predictor, limit_threads

    limit_threads(thread_share(beside_runs=True))
    return Predictor


def low_confidence(candidate: Candidate) -> tuple[float, float, float] | None:
    """What low confidence means for a run or an ensemble, single view, on validation: see
    `core.evaluation.metrics.low_confidence_rates`. None where there are no predictions or no temperature."""
    runs = runs_of(candidate)
    if not has_predictions(candidate, VALIDATION) or any(run.temperature is None for run in runs):
        return None
    return _low_confidence(tuple((cache.file_key(run.paths.predictions(VALIDATION)), run.temperature) for run in runs))


@st.cache_resource(max_entries=16, show_spinner=False)
def _low_confidence(members: tuple[tuple[cache.FileKey, float | None], ...]) -> tuple[float, float, float]:
    table = average_tables(
        [cache.read_cached(Path(key[0])) for key, _ in members], [temperature for _, temperature in members]
    )
    return low_confidence_rates(table["label"].to_numpy(), probabilities_of(table))


def misclassified(candidate: Candidate, data: DatasetRef, split_name: str) -> "Misclassified":
    """The images of a split that a run or ensemble misclassifies, single view, to be searched for those most similar to
    a face.

    Raises:
        RunError: settings or weights cannot be used, or predictions are missing.
    """
    runs = runs_of(candidate)
    keys = tuple((*_model_key(run), cache.file_key(run.paths.predictions(split_name)), run.temperature) for run in runs)
    return _misclassified(keys, data, split_name, candidate)


@st.cache_resource(max_entries=4, show_spinner=False)
def _misclassified(
    keys: tuple[tuple, ...], data: DatasetRef, split_name: str, _candidate: Candidate
) -> "Misclassified":
    from core.evaluation.nearest import Misclassified

    wrong = np.flatnonzero(~cache.predictions_of(_candidate, split_name)["correct"].to_numpy())
    models = [_predictor(*key[:2]).model for key in keys]
    return Misclassified.find(models, cache.split(data, split_name).images, wrong)
