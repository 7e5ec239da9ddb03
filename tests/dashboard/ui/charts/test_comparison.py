"""Charts of several runs."""

from pathlib import Path

import pandas as pd

from dashboard.ui.charts import comparison


def test_words_and_numbers_on_an_axis() -> None:
    option = comparison.scatter([("a", "adam", 60.0, (58.0, 62.0)), ("b", 3, 61.0, None)], "optimizer", "accuracy")
    assert option["xAxis"]["data"] == ["adam", "3"] and len(option["series"]) == 3
    option = comparison.parallel(["a", "b"], {"optimizer": ["adam", "sgd"], "rate": [0.1, 0.2]})
    assert [axis["type"] for axis in option["parallelAxis"]] == ["category", "value"]
    assert option["series"][1]["data"] == [["sgd", 0.2]]


def test_overlaid_curves_keep_the_colours_of_their_runs(tmp_path: Path) -> None:
    epochs = pd.DataFrame({"epoch": [1, 2], "validation_accuracy": [0.5, 0.6], "validation_loss": [1.2, 1.1]})
    option = comparison.overlay([("a", pd.DataFrame()), ("b", epochs), ("c", epochs)], "accuracy", baseline=2)
    assert [line["name"] for line in option["series"]] == ["b", "c"]
    assert [line["color"] for line in option["series"]] == [comparison.colour_of(1), comparison.colour_of(2)]
    assert option["series"][1]["lineStyle"]["width"] > option["series"][0]["lineStyle"]["width"]
    assert option["dataset"][0]["source"]["value"].tolist() == [50, 60]
