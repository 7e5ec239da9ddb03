"""Charts of several runs."""

from dashboard.ui.charts import comparison
from dashboard.ui.charts.comparison import RunPoint


def test_words_and_numbers_on_an_axis() -> None:
    points = [RunPoint("a", 0, "adam", 60.0, (58.0, 62.0)), RunPoint("b", 1, 3, 61.0, None)]
    option = comparison.scatter(points, "optimizer", "accuracy")
    assert option["xAxis"]["data"] == ["3", "adam"] and len(option["series"]) == 3
    columns = {"optimizer": ["adam", "sgd"], "rate": [0.1, 0.2]}
    option = comparison.parallel([("a", 0), ("b", 1)], columns)["baseOption"]
    assert [axis["type"] for axis in option["parallelAxis"]] == ["category", "value"]
    assert option["series"][1]["data"] == [["sgd", 0.2]]


def test_a_word_among_numbers_is_more_than_all_of_them() -> None:
    assert comparison.categories(["all", 4000, 500, "all", 4000]) == ["500", "4000", "all"]
    assert comparison.categories(["sgd", "adam"]) == ["sgd", "adam"]


def test_names_of_points_above_each_other_take_turns() -> None:
    points = [
        RunPoint(str(at), at, value, result, None) for at, (value, result) in enumerate([(1, 3.0), (1, 1.0), (2, 2.0)])
    ]
    assert comparison.label_sides(points) == ["left", "right", "right"]


def test_long_titles_take_several_lines_and_lose_nothing() -> None:
    for title in ("seed", "drop_train_duplicates", "Validation accuracy (%)", "images_per_epoch"):
        lines = comparison.in_lines(title).split("\n")
        assert max(map(len, lines)) <= comparison.WIDE_TITLE
        assert "".join(lines) == title.replace(" ", "") or " ".join(lines) == title
    option = comparison.parallel([("a", 0)], {"drop_train_duplicates": [0.0], "Validation accuracy (%)": [1.0]})
    narrow = option["media"][0]["option"]["parallelAxis"]
    assert [axis["name"] for axis in narrow] == ["drop_train_duplicates", "Validation accuracy (%)"]
