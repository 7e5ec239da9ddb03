"""Sweeps: what is typed for a field, and which runs come of it."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import TrainConfig, field_label
from core.errors import ConfigError
from core.jobs.sweep import SWEEPABLE, Sweep, holds_several, parse_fields, parse_values
from core.runs.groups import MOST_RUNS
from core.runs.naming import typed_setting

BASE = TrainConfig(dataset="demo")

steady = settings(deadline=None, derandomize=True, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
"""The same examples every time, and as long as it takes."""


@pytest.mark.parametrize(
    ("field", "text", "values"),
    [
        ("learning_rate", "0.01, 0.02", (0.01, 0.02)),
        ("learning_rate", "0.01,0.02", (0.01, 0.02)),
        ("learning_rate", "0,01; 0,02", (0.01, 0.02)),
        ("learning_rate", "1e-3", (0.001,)),
        ("rotation", "5,10", (5.0, 10.0)),
        ("batch_size", "64,128", (64, 128)),
        ("seed", "1..5", (1, 2, 3, 4, 5)),
        ("seed", "7, 0 .. 2", (7, 0, 1, 2)),
        ("seed", f"0..{MOST_RUNS - 1}", tuple(range(MOST_RUNS))),
        ("flip", "true, false", (True, False)),
        ("optimizer", "adamw,sgd , muon", ("adamw", "sgd", "muon")),
        ("schedule", "one-cycle, cosine", ("linear", "cosine")),
        ("hold_out", "1/2, 2/2", ("1/2", "2/2")),
    ],
)
def test_values_are_read_as_typed(field: str, text: str, values: tuple[Any, ...]) -> None:
    found = parse_values(field, text)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("learning_rate", "0.01, -1", ["Learning rate must be greater than 0 (got -1)."]),
        ("learning_rate", "x, 0.1, 99", ["Learning rate must be a number (got 'x').", "(got 99)."]),
        ("learning_rate", "0.01, 0.010", ["Learning rate: 0.01 is there twice."]),
        ("learning_rate", "0,01", ["Learning rate: 0,01 may be one number or several."]),
        ("batch_size", "1,000", ["Batch size: 1,000 may be one number or several."]),
        ("learning_rate", "0.1,,0.2", ["Learning rate: a value is missing in '0.1,,0.2'."]),
        ("learning_rate", "", ["Learning rate: a value is missing in ''."]),
        ("epochs", "1.5, 2", ["Epochs must be a whole number, in digits only (got 1.5)."]),
        ("epochs", "0..2", ["Epochs must be greater than or equal to 1 (got 0)."]),
        ("seed", "5..1", ["Seed: 5..1 ends before it begins."]),
        ("seed", "0..999999999", [f"Seed: 0..999999999 is 1,000,000,000 values (max {MOST_RUNS})."]),
        ("optimizer", "adam, lion", ["Optimizer must be", "(got 'lion')."]),
        ("lr", "1", ["Unknown setting 'lr'."]),
        ("teachers", "a, b", ["Teachers can't be swept: it is a list of runs already."]),
    ],
)
def test_each_bad_value_has_its_sentence(field: str, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_values(field, text)
    for each in words:
        assert each in str(refused.value)
    assert str(refused.value).endswith(".")


def test_all_bad_fields_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"Learning rate must .*\(got -1\)\. Optimizer must .*\(got 'x'\)\."):
        parse_fields({"learning_rate": "-1", "optimizer": "x", "seed": "1, 2"})
    assert parse_fields({"seed": "2, 1"}) == {"seed": (2, 1)}


@steady
@given(st.lists(st.floats(0, 1, exclude_min=True, allow_subnormal=False), min_size=1, max_size=8, unique=True))
def test_numbers_that_are_typed_as_they_are_shown_come_back(values: list[float]) -> None:
    for separator in (", ", ";"):
        assert parse_values("learning_rate", separator.join(map(typed_setting, values))) == tuple(values)


@steady
@given(st.integers(0, 2**31 - 1), st.integers(0, 30))
def test_a_range_is_all_its_whole_numbers(first: int, more: int) -> None:
    last = min(first + more, 2**31 - 1)
    assert parse_values("seed", f"{first}..{last}") == tuple(range(first, last + 1))


@steady
@given(st.sampled_from(SWEEPABLE), st.text(st.sampled_from("01259.,;- eE+xtrufalsdm/"), max_size=20))
def test_whatever_is_typed_gives_valid_values_or_a_sentence(field: str, text: str) -> None:
    holds_several(field, text)
    values: tuple[Any, ...] = ()
    refusal = ""
    try:
        values = parse_values(field, text)
    except ConfigError as error:
        refusal = str(error)
    assert bool(values) != (field_label(field) in refusal)
    assert len(set(values)) == len(values)
    for value in values:
        assert getattr(TrainConfig.model_validate({field: value}), field) == value


@pytest.mark.parametrize(
    ("field", "text", "several"),
    [
        ("learning_rate", "0,01", False),  # one number in a form, with a decimal comma
        ("learning_rate", "0.01", False),
        ("learning_rate", "0.01,0.02", True),
        ("learning_rate", "1, 2", True),
        ("learning_rate", "1,2,3", True),
        ("learning_rate", "0,01; 0,02", True),
        ("seed", "3", False),
        ("seed", "3,4", True),
        ("seed", "1..3", True),
        ("optimizer", "adam", False),
        ("optimizer", "adam,sgd", True),
        ("teachers", "a, b", False),
    ],
)
def test_a_form_tells_one_value_from_several(field: str, text: str, several: bool) -> None:
    assert holds_several(field, text) is several


# --- which runs


FIELDS = {"learning_rate": (0.1, 0.2, 0.3), "optimizer": ("adam", "sgd"), "flip": (True, False)}


def test_a_grid_has_all_combinations_the_last_field_fastest() -> None:
    sweep = Sweep(BASE, FIELDS)
    assert sweep.runs == sweep.combinations == 12
    assert [tuple(values.values()) for values in sweep.values()] == list(itertools.product(*FIELDS.values()))
    for config, values in zip(sweep.configs(), sweep.values(), strict=True):
        assert config == BASE.model_copy(update=values)


@steady
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda counts: math.prod(counts) > 1),
    st.integers(0, 1000),
    st.data(),
)
def test_a_sample_is_of_different_combinations_and_the_same_for_a_seed(
    counts: list[int], seed: int, data: st.DataObject
) -> None:
    names = ("seed", "epochs", "batch_size", "warmup_fraction")
    fields = {name: tuple(range(2, 2 + count)) for name, count in zip(names, counts, strict=False)}
    size = data.draw(st.integers(1, min(MOST_RUNS, math.prod(counts))))
    sweep = Sweep(BASE, fields, how="random", sample=size, seed=seed)
    drawn = [tuple(values.values()) for values in sweep.values()]
    assert len(drawn) == len(set(drawn)) == size == sweep.runs
    assert set(drawn) <= set(itertools.product(*fields.values()))
    assert drawn == [tuple(values.values()) for values in sweep.values()]


def test_another_seed_draws_others() -> None:
    draws = [Sweep(BASE, {"seed": tuple(range(100))}, how="random", sample=5, seed=seed).values() for seed in range(5)]
    assert len({str(draw) for draw in draws}) == 5


def test_a_sample_of_a_grid_that_is_larger_than_memory() -> None:
    fields: dict[str, tuple[Any, ...]]
    fields = {name: tuple(range(1, 101)) for name in ("seed", "epochs", "threads", "early_stopping", "fade_epochs")}
    fields |= {name: tuple(i / 1000 for i in range(1, 101)) for name in ("shift", "zoom", "brightness", "contrast")}
    fields |= {"blur": tuple(i / 1000 for i in range(1, 101)), "noise": tuple(i / 1000 for i in range(1, 101))}
    sweep = Sweep(BASE, fields, how="random", sample=3)
    assert sweep.combinations == 100**11 > 2**64
    assert len(sweep.configs()) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fields": {"seed": (1,)}}, "needs a field with two values or more"),
        ({"fields": {}}, "needs a field with two values or more"),
        ({"fields": {"seed": tuple(range(201))}}, "201 runs are too many for one sweep (max 200)"),
        ({"fields": {"seed": tuple(range(15)), "epochs": tuple(range(1, 15))}}, "210 runs are too many"),
        ({"how": "random", "sample": 13}, "Can't draw 13 different runs: there are only 12 combinations."),
        ({"how": "random", "sample": 0}, "must be at least 1 (got 0)"),
        ({"how": "random"}, "needs a number of runs to draw"),
        ({"for_teaching": True}, "Teachers differ in the seed alone"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_with_a_sentence(changes: dict[str, Any], words: str) -> None:
    sweep = replace(Sweep(BASE, FIELDS), **changes)
    with pytest.raises(ConfigError) as refused:
        sweep.configs()
    assert words in str(refused.value) and str(refused.value).endswith(".")


def test_what_a_group_is_follows_from_what_differs() -> None:
    assert Sweep(BASE, FIELDS).kind == "sweep"
    assert Sweep(BASE, {"seed": (1, 2)}).kind == "seeds"
    assert Sweep(BASE, {"seed": (1, 2)}, for_teaching=True).kind == "teachers"
    assert Sweep(BASE, {"seed": (1, 2), "epochs": (1, 2)}).kind == "sweep"
    new = Sweep(BASE, FIELDS, how="random", sample=2, seed=5).as_group(title="Mine", keep="best")
    assert (new.how, new.sample, new.sample_seed, new.keep, new.title) == ("random", 2, 5, "best", "Mine")
    assert len(new.values) == 2 and dict(new.fields) == FIELDS
