"""Charts of several runs."""

from dashboard.ui.charts import comparison


def test_words_and_numbers_on_an_axis() -> None:
    option = comparison.scatter([("a", "adam", 60.0, (58.0, 62.0)), ("b", 3, 61.0, None)], "optimizer", "accuracy")
    assert option["xAxis"]["data"] == ["adam", "3"] and len(option["series"]) == 3
    option = comparison.parallel(["a", "b"], {"optimizer": ["adam", "sgd"], "rate": [0.1, 0.2]})
    assert [axis["type"] for axis in option["parallelAxis"]] == ["category", "value"]
    assert option["series"][1]["data"] == [["sgd", 0.2]]
