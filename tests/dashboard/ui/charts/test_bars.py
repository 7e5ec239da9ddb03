"""Bars of classes."""

from core.labels import LABELS
from dashboard.ui.charts.bars import bars_text, class_balance, probability_bars


def test_bars_are_told_with_their_values() -> None:
    balance = bars_text(class_balance({"happy": 7215}, "train"))
    assert balance.startswith("Class distribution (train): ") and "happy 7,215" in balance and "angry 0" in balance
    bars = bars_text(probability_bars([0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]))
    assert bars.startswith(f"Class probabilities: {LABELS[0]} 50.0%, ") and bars.endswith(f"{LABELS[-1]} 5.0%")
