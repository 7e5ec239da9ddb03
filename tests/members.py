"""Finished runs with weights that load, to answer together."""

from pathlib import Path

import torch

from core.files import read_json, write_json
from core.models.cnn import build_model
from core.runs.reader import read_run
from core.runs.records import Run
from tests.dashboard_fixtures import write_run

FLIP_TEMPERATURE = 0.8


def write_members(runs_root: Path, data_root: Path, count: int = 2) -> list[Run]:
    """Fake runs whose networks and predictions differ, and whose temperatures for the single view and for flip TTA
    do, too."""
    runs = []
    for seed in range(count):
        paths = write_run(runs_root, data_root, "finished", name=f"member {seed}", epochs=1, seed=seed).paths
        write_json(paths.config, read_json(paths.config) | {"model": "cnn-model-1"})
        summary = read_json(paths.summary)
        summary["evaluation"]["validation"]["tta"]["temperature"] = FLIP_TEMPERATURE + seed / 10
        write_json(paths.summary, summary)
        torch.manual_seed(seed)
        model = build_model("cnn-model-1")
        with torch.no_grad():
            model.classifier[-1].weight *= 200  # type: ignore[union-attr, operator]  # predictions that are far apart
        torch.save(model.state_dict(), paths.weights)
        runs.append(read_run(runs_root, paths.run_id))
    return runs
