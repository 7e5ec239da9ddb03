"""Settings: every field documented, bounded and explained when it is wrong."""

import json
import re
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from core.config import RunIds, TrainConfig, as_typed, field_group, field_label, parse_config
from core.errors import ConfigError
from core.numbers import typed_number
from core.presets import PRESETS, get_preset, make_config

FIELDS = TrainConfig.model_fields
NUMBERS = [name for name, field in FIELDS.items() if field.annotation in (int, float)]


def limits(field: FieldInfo) -> dict[str, Any]:
    """The bounds of a number: some of ge, gt, le, lt."""
    return {
        bound: getattr(entry, bound)
        for entry in field.metadata
        for bound in ("ge", "gt", "le", "lt")
        if getattr(entry, bound, None) is not None
    }


def values_of(name: str) -> st.SearchStrategy[Any]:
    """All allowed values of a field."""
    field = FIELDS[name]
    bounds = limits(field)
    if field.annotation is bool:
        return st.booleans()
    if field.annotation is int:
        return st.integers(bounds["ge"], bounds["le"])
    if field.annotation is float:
        return st.floats(
            bounds.get("ge", bounds.get("gt")),
            bounds.get("le", bounds.get("lt")),
            exclude_min="gt" in bounds,
            exclude_max="lt" in bounds,
        )
    if field.annotation == RunIds:
        most = next((limit.max_length for limit in field.metadata if hasattr(limit, "max_length")), None)
        return st.lists(
            st.sampled_from(["run-a", "b", "20261122-134501-calm-river-3f9a"]), unique=True, max_size=most
        ).map(tuple)
    if field.annotation is str:
        return st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True)
    return st.sampled_from(typing.get_args(field.annotation))


ANY_SETTINGS = st.fixed_dictionaries({}, optional={name: values_of(name) for name in FIELDS})


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_heading_and_a_description_that_ends_as_a_sentence(name: str) -> None:
    field = FIELDS[name]
    assert field.description is not None
    assert field.description.endswith(".")
    assert field_group(field) in {"Basics", "Optimizer", "Distillation", "Augmentation", "Machine"}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_bounded_below_and_above(name: str) -> None:
    assert limits(FIELDS[name]).keys() & {"ge", "gt"}
    assert limits(FIELDS[name]).keys() & {"le", "lt"}


def out_of_range() -> list[tuple[str, Any]]:
    step = {"ge": -1, "gt": 0, "le": 1, "lt": 0}
    numbers = [(name, value + step[bound]) for name in NUMBERS for bound, value in limits(FIELDS[name]).items()]
    not_finite = [(name, value) for name in NUMBERS for value in (float("nan"), float("inf"))]
    choices = [
        (name, "nonsense") for name, field in FIELDS.items() if typing.get_origin(field.annotation) is typing.Literal
    ]
    switches = [(name, "perhaps") for name, field in FIELDS.items() if field.annotation is bool]
    return [
        *numbers,
        *not_finite,
        *choices,
        *switches,
        ("epochs", "many"),
        ("epochs", 1.5),
        ("learning_rate", None),
        ("dataset", "../etc"),
        ("dataset", "A"),
        ("dataset", ""),
        ("dataset", "a" * 65),
        ("teachers", "../run"),
        ("teachers", ["Run"]),
        ("teachers", "run run"),
        ("soft_labels", 7),
    ]


@pytest.mark.parametrize(("name", "value"), out_of_range())
def test_a_value_out_of_range_is_refused_in_one_sentence_with_field_and_value(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({name: value})
    message = str(caught.value)
    got = f"{value:g}" if isinstance(value, float) else repr(value)
    assert message.startswith(f"{field_label(name)} must ") and message.endswith(f"{got}).")
    assert "\n" not in message
    assert message.count(". ") == 0


def test_the_message_says_what_is_allowed() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"learning_rate": -1})
    assert str(caught.value) == "Learning rate must be greater than 0 (got -1)."
    with pytest.raises(ConfigError) as caught:
        parse_config({"optimizer": "rmsprop"})
    assert str(caught.value) == "Optimizer must be 'adam', 'adamw', 'sgd' or 'muon' (got 'rmsprop')."
    with pytest.raises(ConfigError) as caught:
        parse_config({"zoom": 2.5})
    assert str(caught.value) == "Scale must be less than 1 (got zoom = 2.5).", "the label, and the name to type"


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"Epochs must .* \(got 0\)\. Batch size must .* \(got 1\)\."):
        parse_config({"epochs": 0, "batch_size": 1})


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"Unknown setting 'learningrate'. Use one of .*learning_rate.*\."):
        parse_config({"learningrate": 0.1})


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=f"Unknown preset 'sed'. Use one of {', '.join(PRESETS)}."):
        make_config("sed")


def test_a_config_error_is_bad_input() -> None:
    assert ConfigError.exit_code == 2
    assert issubclass(ConfigError, ValueError)


@given(ANY_SETTINGS)
def test_strings_from_the_command_line_mean_what_they_say(settings: dict[str, Any]) -> None:
    texts = {name: str(as_typed(value)) for name, value in settings.items()}
    assert make_config("original", texts) == parse_config(settings)


@given(ANY_SETTINGS)
def test_a_config_survives_its_file(settings: dict[str, Any]) -> None:
    config = parse_config(settings)
    assert parse_config(json.loads(json.dumps(config.model_dump(mode="json"), allow_nan=False))) == config
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainConfig().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_valid_and_say_what_they_are(preset: Any) -> None:
    assert get_preset(preset.name) is preset
    assert make_config(preset.name) == preset.config
    assert preset.title
    assert preset.description
    assert "epochs" in preset.cost
    assert not re.search(r"\d *(s|min|minutes?|h|hours?)\b", preset.cost), "a second time beside the estimated one"
    assert preset.expect
    assert preset.command.split() == ["python", "-m", "core", "train", "--preset", preset.name]


@pytest.mark.parametrize("typed", ["run-a,run-b", " run-a, run-b ", "run-a run-b", ["run-a", "run-b"]], ids=repr)
def test_a_list_of_runs_is_typed_with_commas(typed: Any) -> None:
    assert parse_config({"teachers": typed}).teachers == ("run-a", "run-b")
    assert parse_config({"teachers": ""}).teachers == ()


def test_a_run_that_is_listed_twice_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"teachers": "run-a,run-a"})
    assert str(caught.value) == "Teachers must name each run once (got 'run-a,run-a')."


def test_overrides_replace_the_settings_of_the_preset() -> None:
    assert make_config("quick", {"epochs": 7}) == make_config("quick").model_copy(update={"epochs": 7})


def test_a_typed_number_has_either_decimal_sign() -> None:
    assert parse_config({"learning_rate": "0,0005"}).learning_rate == 0.0005
    assert parse_config({"learning_rate": "5e-4"}).learning_rate == 0.0005


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("learning_rate", "50", "Learning rate must be less than or equal to 10 (got 50)."),
        ("learning_rate", "0,0", "Learning rate must be greater than 0 (got 0,0)."),
        ("gradient_clip", "1,000", "Gradient clip must be written as 1000 or 1.0 (got 1,000)."),
        ("weight_decay", "", "Weight decay must be a number (got '')."),
        ("epochs", "1,5", "Epochs must be a whole number, in digits only (got 1,5)."),
        ("images_per_epoch", "4.000", "Images per epoch must be a whole number, in digits only (got 4.000)."),
        ("epochs", "0", "Epochs must be greater than or equal to 1 (got 0)."),
    ],
)
def test_a_refused_number_is_named_as_it_was_typed(name: str, typed: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({name: typed})
    assert str(caught.value) == said


@given(ANY_SETTINGS)
def test_settings_written_as_text_are_read_as_the_same(values: dict[str, Any]) -> None:
    texts = {name: typed_number(value) if name in NUMBERS else value for name, value in values.items()}
    assert parse_config(texts) == parse_config(values)
