"""Settings that do nothing while another one is off."""

from typing import Any

import pytest

from core.config import TrainConfig
from core.dependent import field_applies
from core.presets import PRESETS, get_preset

FIELDS = TrainConfig.model_fields


def test_a_setting_that_another_one_switches_off_does_not_apply() -> None:
    assert field_applies("muon_learning_rate", {"optimizer": "muon"})
    assert not field_applies("muon_learning_rate", {"optimizer": "adam"})
    assert all(field_applies(name, get_preset("best").config.model_dump()) for name in PRESETS["best"].settings)


@pytest.mark.parametrize(
    ("typed", "applies"),
    [(0.0, False), (0.2, True), ("0", False), ("0,0", False), ("0,2", True), ("", True), ("much", True), (None, False)],
)
def test_a_probability_applies_where_its_operation_is_on_numbers_as_typed(typed: Any, applies: bool) -> None:
    assert field_applies("blur_probability", {"blur": typed}) is applies


def test_every_setting_that_depends_on_another_names_one() -> None:
    dependent = [name for name in FIELDS if not field_applies(name, {})]
    assert {name for name in FIELDS if name.endswith("_probability")} <= set(dependent)
    assert {"distillation_temperature", "distillation_weight", "soft_label_weight"} <= set(dependent)
    on = dict.fromkeys(FIELDS, 1) | {"optimizer": "muon"}
    assert all(field_applies(name, on) for name in FIELDS)
