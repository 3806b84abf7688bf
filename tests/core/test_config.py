"""Strict configuration: what is accepted, and the one line for what is not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stride_core.arrays import FloatArray
from stride_core.config import (
    ConfigError,
    fields_of,
    flatten,
    from_mapping,
    load_yaml,
    param,
    unflatten,
)


@dataclass(frozen=True)
class Inner:
    gain: float = param(2.0, unit="N", min=0.0, max=10.0, doc="a gain", dynamic=True)
    count: int = param(3, min=1)


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    mode: Literal["slow", "fast"] = "slow"
    on: bool = False
    inner: Inner = field(default_factory=Inner)
    offsets: tuple[float, ...] = param((), min=-1.0, max=1.0)
    pair: tuple[int, str] | None = None
    table: dict[str, float] = field(default_factory=dict)
    points: FloatArray = field(
        default_factory=lambda: np.zeros((1, 3)), metadata={"shape": (None, 3), "unit": "m"}
    )
    path: Path = Path()


def load(**values):
    return from_mapping(Outer, {"name": "x", **values}, "file.yaml")


def refusal(**values) -> str:
    with pytest.raises(ConfigError) as caught:
        load(**values)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("file.yaml: ")
    return message


def test_everything_allowed_becomes_what_its_type_says():
    made = load(
        mode="fast",
        on=True,
        inner={"gain": 1, "count": 7},
        offsets=[0, 0.5],
        pair=[1, "a"],
        table={"a": 2},
        points=[[1, 2, 3], [4, 5, 6.5]],
        path="a/b",
    )
    assert made.inner == Inner(1.0, 7)
    assert type(made.inner.gain) is float
    assert (made.offsets, made.pair, made.table) == ((0.0, 0.5), (1, "a"), {"a": 2.0})
    assert made.points.shape == (2, 3)
    assert made.points.dtype == np.float64
    assert not made.points.flags.writeable
    assert made.path == Path("a/b")


def test_missing_keys_take_their_defaults():
    made = load()
    assert (made.mode, made.inner, made.pair) == ("slow", Inner(2.0, 3), None)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"nmae": 1}, ["'nmae'", "unknown key", "did you mean name?"]),
        ({"zzz": 1}, ["'zzz'", "unknown key", "name, mode, on"]),
        ({"inner": {"gian": 1}}, ["file.yaml: inner: 'gian'", "did you mean gain?"]),
        ({"inner": [1]}, ["inner: [1]", "a mapping"]),
        ({"inner": {"gain": "high"}}, ["inner: gain: 'high'", "a number [N] from 0 to 10"]),
        ({"inner": {"gain": "1.5"}}, ["gain: '1.5'", "remove the quotes"]),
        ({"inner": {"gain": True}}, ["gain: True", "a number [N]"]),
        ({"inner": {"gain": None}}, ["gain: None", "a number [N]"]),
        ({"inner": {"gain": float("nan")}}, ["gain: nan", "a finite number"]),
        ({"inner": {"gain": float("inf")}}, ["gain: inf", "a finite number"]),
        ({"inner": {"gain": 10.001}}, ["gain: 10.001", "from 0 to 10"]),
        ({"inner": {"gain": -1}}, ["gain: -1", "from 0 to 10"]),
        ({"inner": {"gain": 10**400}}, ["gain: 1000", "from 0 to 10"]),
        ({"inner": {"count": 2.0}}, ["count: 2.0", "a whole number of at least 1"]),
        ({"inner": {"count": 0}}, ["count: 0", "a whole number of at least 1"]),
        ({"inner": {"count": False}}, ["count: False", "a whole number"]),
        ({"name": 5}, ["name: 5", "text"]),
        ({"on": 1}, ["on: 1", "true or false"]),
        ({"on": "yes"}, ["on: 'yes'", "true or false"]),
        ({"mode": "fats"}, ["mode: 'fats'", "one of slow, fast", "did you mean fast?"]),
        ({"offsets": 0.5}, ["offsets: 0.5", "a list"]),
        ({"offsets": "abc"}, ["offsets: 'abc'", "a list"]),
        ({"offsets": [0.0, 2.0]}, ["offsets[1]: 2.0", "from -1 to 1"]),
        ({"pair": [1]}, ["pair: [1]", "a list of 2 values"]),
        ({"pair": ["a", "b"]}, ["pair[0]: 'a'", "a whole number"]),
        ({"table": {"a": "b"}}, ["table.a: 'b'", "a number"]),
        ({"table": {1: 2.0}}, ["table: 1", "a name"]),
        ({"points": [[1, 2]]}, ["points: [[1, 2]]", "a list n x 3 of finite numbers [m]"]),
        ({"points": [[1, 2, 3], [1, 2]]}, ["points:", "a list n x 3"]),
        ({"points": [1, 2, 3]}, ["points:", "a list n x 3"]),
        ({"points": [[1, 2, "3"]]}, ["points:", "finite numbers"]),
        ({"points": [[1, 2, True]]}, ["points:", "finite numbers"]),
        ({"points": [[1, 2, float("nan")]]}, ["points:", "finite numbers"]),
        ({"path": 3}, ["path: 3", "a path"]),
    ],
)
def test_a_wrong_value_is_answered_with_where_what_and_the_expectation(values, parts):
    message = refusal(**values)
    for part in parts:
        assert part in message


def test_a_missing_key_is_named_with_what_it_should_hold():
    with pytest.raises(ConfigError, match=r"^f: name: missing; expected a value$"):
        from_mapping(Outer, {}, "f")


def test_anything_but_a_mapping_is_refused():
    with pytest.raises(ConfigError, match=r"^f: \[1\]: expected a mapping"):
        from_mapping(Outer, [1], "f")


def test_a_huge_value_does_not_flood_the_message():
    assert len(refusal(on="x" * 5000)) < 200


def test_a_value_with_line_breaks_stays_on_one_line():
    assert "\n" not in refusal(mode="a\nb\nc")


def test_a_check_between_fields_is_reported_with_its_place():
    @dataclass(frozen=True)
    class Span:
        low: float
        high: float

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low\nabove high")

    with pytest.raises(ConfigError, match=r"^f: span: low above high$"):
        from_mapping(
            dataclasses.make_dataclass("Holder", [("span", Span)]),
            {"span": {"low": 2, "high": 1}},
            "f",
        )


def test_a_name_with_line_breaks_stays_on_one_line():
    assert "table.a b" in refusal(table={"a\nb": "c"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
    ),
    st.sampled_from([f.name for f in dataclasses.fields(Outer)]),
)
def test_no_value_at_all_gets_past_with_another_error(value, key):
    try:
        load(**{key: value})
    except ConfigError as error:
        assert "\n" not in str(error)


# --- files ---------------------------------------------------------------------------------------


def load_text(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_yaml(path, Inner)


def test_a_file_is_read(tmp_path):
    assert load_text(tmp_path, "gain: 4\ncount: 2\n") == Inner(4.0, 2)


def test_numbers_with_an_exponent_are_numbers(tmp_path):
    for text in ("5e-1", "5E-1", "0.5e0", "+5e-1", ".5e0", "5.e-1", "0.05e1"):
        assert load_text(tmp_path, f"gain: {text}").gain == 0.5


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("gain: 1\ngain: 2\n", "line 2: key 'gain' is there twice"),
        ("gain: [1\n", "line 2"),
        ("\tgain: 1\n", "line 1"),
        ("- 1\n", "expected a mapping of keys to values, found list"),
        ("", "found nothing"),
        ("just text", "found str"),
        ("? [1, 2]\n: 3\n", "line 1"),
        ("gain: !!python/object:os.system x\n", "line 1"),
        ("gain: 1\n---\ngain: 2\n", "line 2"),
        (b"gain: \xff\xfe", "UTF-8"),
        (b"gain: \x00", "not valid YAML"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("gain: 2001-99-99", "not valid YAML"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path, text, part):
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "c.yaml"))
    assert part in message
    assert "\n" not in message


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file$"):
        load_yaml(tmp_path / "nothing.yaml", Inner)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path, Inner)


# --- dotted names --------------------------------------------------------------------------------


def test_fields_are_listed_with_dotted_names_defaults_and_metadata():
    infos = {info.name: info for info in fields_of(Outer)}
    assert list(infos)[:5] == ["name", "mode", "on", "inner.gain", "inner.count"]
    gain = infos["inner.gain"]
    assert (gain.type, gain.default) == (float, 2.0)
    declared = {"unit": "N", "min": 0.0, "max": 10.0, "doc": "a gain", "dynamic": True}
    assert dict(gain.metadata) == declared
    assert infos["name"].default is dataclasses.MISSING


def test_defaults_below_a_section_are_those_of_the_sections_default():
    @dataclass(frozen=True)
    class Holder:
        inner: Inner = field(default_factory=lambda: Inner(7.0, 9))

    assert [info.default for info in fields_of(Holder)] == [7.0, 9]
    assert from_mapping(Holder, {"inner": {"count": 8}}, "here") == Holder(Inner(7.0, 8))


def test_flatten_and_unflatten_are_inverse():
    made = load(inner={"gain": 4.0}, pair=[1, "a"])
    flat = flatten(made)
    assert flat["inner.gain"] == 4.0
    again = from_mapping(Outer, unflatten(flat), "again")
    assert dataclasses.replace(again, points=made.points) == made


@pytest.mark.parametrize("flat", [{"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}])
def test_a_name_cannot_be_a_value_and_a_section(flat):
    with pytest.raises(ConfigError, match="at once"):
        unflatten(flat)
