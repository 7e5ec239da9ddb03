"""Bars of classes."""

from dashboard.ui.charts.bars import bars_text, class_balance, probability_bars

FIRST = (0.05, 0.01, 0.04, 0.6, 0.2, 0.07, 0.03)
SECOND = (0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)


def test_the_most_likely_class_comes_first_and_the_axis_is_in_percent() -> None:
    figure = probability_bars(FIRST)
    [bars] = figure.data
    assert list(bars.y) == ["happy", "neutral", "sad", "angry", "fear", "surprise", "disgust"]
    assert list(bars.text[:2]) == ["60.0%", "20.0%"]
    assert list(figure.layout.xaxis.ticktext) == ["0%", "25%", "50%", "75%", "100%"]


def test_two_models_share_one_order_and_are_told_apart() -> None:
    figure = probability_bars(FIRST, SECOND, names=["a<b>", "c"])
    first, second = figure.data
    assert list(first.y) == list(second.y)
    assert dict(zip(second.y, second.x, strict=True))["angry"] == 50
    assert first.name == "a&lt;b>" and first.marker.color != second.marker.color


def test_bars_are_told_with_their_values() -> None:
    balance = bars_text(class_balance({"happy": 7215}, "train"))
    assert balance.startswith("Class distribution (train): ") and "happy 7,215" in balance and "angry 0" in balance
    assert bars_text(probability_bars(FIRST)).startswith("Class probabilities: happy 60.0%, neutral 20.0%, sad 7.0%")
    both = bars_text(probability_bars(FIRST, SECOND, names=["one", "two"]))
    assert both.startswith("Class probabilities: one: happy 60.0%") and "; two: happy 10.0%" in both
