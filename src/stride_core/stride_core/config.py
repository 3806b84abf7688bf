"""Strict configuration: a YAML mapping becomes a frozen dataclass, or one line says why not.

The dataclass is the schema. Types allowed for a field: bool, int, float, str, Literal, Path,
`T | None`, tuple[T, ...], tuple[A, B], dict[str, T], a nested dataclass, and FloatArray with a
declared shape. `param` adds the rest of the schema: unit, bounds, shape, doc, dynamic.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import numpy as np

from stride_core.yaml_file import ConfigError, one_line, read_yaml

T = TypeVar("T")

__all__ = [
    "ConfigError",
    "FieldInfo",
    "fields_of",
    "flatten",
    "from_mapping",
    "load_yaml",
    "param",
    "read_yaml",
    "unflatten",
]


def param(
    default: Any = MISSING,
    *,
    doc: str = "",
    unit: str = "",
    min: float | None = None,
    max: float | None = None,
    shape: tuple[int | None, ...] | None = None,
    dynamic: bool = False,
) -> Any:
    """Declare a dataclass field with its schema.

    Args:
        default: the value when the key is missing; without one the key is required.
        doc: one line for people and for ROS parameter descriptors.
        unit: as written in messages, for example "m" or "rad/s".
        min: smallest number allowed, itself included; holds for every element of a collection.
        max: largest, likewise.
        shape: of an array; None stands for any length.
        dynamic: may be changed while running.
    """
    declared = {"doc": doc, "unit": unit, "min": min, "max": max, "shape": shape}
    metadata = {key: value for key, value in declared.items() if value not in (None, "")}
    return dataclasses.field(default=default, metadata={**metadata, "dynamic": dynamic})


def load_yaml(path: str | Path, cls: type[T]) -> T:
    """Read a YAML file into a dataclass.

    Raises:
        ConfigError: one line naming file, key, value and what was expected.
    """
    return from_mapping(cls, read_yaml(path), str(path))


def from_mapping(cls: type[T], mapping: object, where: str) -> T:
    """Make a dataclass of a mapping; the names of keys are those of the fields.

    Args:
        cls: a dataclass.
        mapping: as read from YAML.
        where: file or section, the beginning of every message.

    Raises:
        ConfigError: unknown or missing key, wrong type or shape, NaN, out of range, or a
            ValueError of the dataclass's own `__post_init__`; one line.
    """
    made: T = _dataclass(cls, mapping, where)
    return made


def _dataclass(cls: Any, mapping: object, where: str, default: Any = None) -> Any:
    """As ``from_mapping``; what is not in the mapping is as ``default``, an instance, has it."""
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where}: {_show(mapping)}: expected a mapping of keys to values")
    known = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{where}: {_show(key)}: unknown key{_suggestion(key, known)}")
    hints = _hints(cls)
    values: dict[str, Any] = {}
    for name, spec in known.items():
        if name in mapping:
            place = f"{where}: {name}"
            if dataclasses.is_dataclass(hints[name]):
                usual = _default(spec) if default is None else getattr(default, name)
                usual = None if usual is MISSING else usual
                values[name] = _dataclass(hints[name], mapping[name], place, usual)
            else:
                values[name] = _convert(hints[name], mapping[name], spec.metadata, place)
        elif default is None and _default(spec) is MISSING:
            raise ConfigError(f"{where}: {name}: missing; expected {_expected(hints[name], spec)}")
    try:
        return cls(**values) if default is None else dataclasses.replace(default, **values)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {error}") from None


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    """Types of the fields; compiling them is half the time of a conversion."""
    return typing.get_type_hints(cls)


def _default(spec: dataclasses.Field[Any]) -> Any:
    """Of a field; MISSING where it has none."""
    if spec.default_factory is not MISSING:
        return spec.default_factory()
    return spec.default


def _convert(hint: Any, value: object, meta: Mapping[str, Any], where: str) -> Any:
    """Check `value` against the type `hint` and the bounds in `meta`; `where` ends in the key."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) != 1 or len(args) != 2:
            raise TypeError(f"{where}: {hint} is not a type that configuration can hold")
        return None if value is None else _convert(inner[0], value, meta, where)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in args):
            hinted = _suggestion(value, args)
            raise _wrong(where, value, f"one of {', '.join(map(str, args))}{hinted}")
        return value
    if origin is tuple:
        return _tuple(args, value, meta, where)
    if origin is dict:
        return _dict(args[1], value, meta, where)
    if origin is np.ndarray or hint is np.ndarray:
        return _array(value, meta, where)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, where)
    return _scalar(hint, value, meta, where)


def _scalar(hint: Any, value: object, meta: Mapping[str, Any], where: str) -> Any:
    if hint in (int, float):
        good = isinstance(value, int | np.integer) or (
            hint is float and isinstance(value, float | np.floating)
        )
        if not good or isinstance(value, bool) or not _fits(value, meta):
            raise _wrong(where, value, _number_words(meta, whole=hint is int))
        return hint(value)
    if hint is Path and isinstance(value, str | Path) and str(value):
        return Path(value)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    if hint in (bool, str, Path):
        raise _wrong(where, value, {bool: "true or false", str: "text", Path: "a path"}[hint])
    raise TypeError(f"{where}: {hint} is not a type that configuration can hold")


def _tuple(args: tuple[Any, ...], value: object, meta: Mapping[str, Any], where: str) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(where, value, "a list")
    if len(args) == 2 and args[1] is Ellipsis:
        hints: Sequence[Any] = [args[0]] * len(value)
    else:
        hints = args
    if len(hints) != len(value):
        raise _wrong(where, value, f"a list of {len(hints)} values")
    return tuple(
        _convert(hint, item, meta, f"{where}[{index}]")
        for index, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _dict(hint: Any, value: object, meta: Mapping[str, Any], where: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(where, value, "a mapping of names to values")
    for key in value:
        if not isinstance(key, str):
            raise _wrong(where, key, "a name (quote it if it looks like a number)")
    return {key: _convert(hint, item, meta, f"{where}.{key:.60}") for key, item in value.items()}


def _array(value: object, meta: Mapping[str, Any], where: str) -> Any:
    shape = meta.get("shape")
    wanted = f"{_shape_words(shape)} of {_number_words(meta, plural=True)}"
    array = _numbers(value)
    if array is None or (shape is not None and not _shape_fits(array.shape, shape)):
        raise _wrong(where, value, wanted)
    for number in array.flat:
        if not _fits(number, meta):
            raise _wrong(where, value, wanted)
    array.flags.writeable = False
    return array


def _numbers(value: object) -> Any:
    """Return nested lists of numbers as a float64 array, or None if they are anything else."""

    def all_numbers(item: object) -> bool:
        if isinstance(item, list | tuple):
            return all(map(all_numbers, item))
        return isinstance(item, int | float | np.number) and not isinstance(item, bool)

    if isinstance(value, np.ndarray):
        return np.array(value, np.float64) if value.dtype.kind in "iuf" else None
    if not isinstance(value, list | tuple) or not all_numbers(value):
        return None
    try:
        return np.array(value, np.float64)
    except (ValueError, OverflowError):  # ragged, or an integer beyond float64
        return None


def _shape_fits(actual: tuple[int, ...], declared: tuple[int | None, ...]) -> bool:
    return len(actual) == len(declared) and all(
        want is None or have == want for have, want in zip(actual, declared, strict=True)
    )


def _fits(value: Any, meta: Mapping[str, Any]) -> bool:
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False
    return finite and meta.get("min", -math.inf) <= value <= meta.get("max", math.inf)


# --- messages -----------------------------------------------------------------------------------


def _wrong(where: str, value: object, expected: str) -> ConfigError:
    hint = ""
    if isinstance(value, float) and not math.isfinite(value):
        expected = expected.replace("a number", "a finite number")
    if isinstance(value, str) and "number" in expected and _looks_numeric(value):
        hint = " (it is quoted: remove the quotes)"
    return ConfigError(f"{where}: {_show(value)}: expected {expected}{hint}")


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _show(value: object) -> str:
    text = one_line(repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _suggestion(key: object, known: Any) -> str:
    choices = [str(name) for name in known]
    near = difflib.get_close_matches(str(key), choices, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f"; expected one of {', '.join(choices)}" if isinstance(known, dict) else ""


def _number_words(meta: Mapping[str, Any], whole: bool = False, plural: bool = False) -> str:
    noun = "finite numbers" if plural else "a whole number" if whole else "a number"
    unit = f" [{meta['unit']}]" if meta.get("unit") else ""
    low, high = meta.get("min"), meta.get("max")
    if low is not None and high is not None:
        return f"{noun}{unit} from {low:g} to {high:g}"
    if low is not None:
        return f"{noun}{unit} of at least {low:g}"
    return f"{noun}{unit} of at most {high:g}" if high is not None else f"{noun}{unit}"


def _shape_words(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "a list"
    return "a list " + " x ".join("n" if size is None else str(size) for size in shape)


def _expected(hint: Any, spec: Any) -> str:
    unit = f" [{spec.metadata['unit']}]" if spec.metadata.get("unit") else ""
    if hint in (int, float):
        return _number_words(spec.metadata, whole=hint is int)
    if dataclasses.is_dataclass(hint):
        return f"a section with {', '.join(f.name for f in dataclasses.fields(hint))}"
    return f"a value{unit}" + (f": {spec.metadata['doc']}" if spec.metadata.get("doc") else "")


# --- dotted names, for ROS parameters ----------------------------------------------------------


@dataclass(frozen=True)
class FieldInfo:
    """One leaf of a configuration.

    Attributes:
        name: dotted, "shape.height".
        type: the annotation, resolved.
        default: dataclasses.MISSING when required.
        metadata: doc, unit, min, max, shape, dynamic where declared.
    """

    name: str
    type: Any
    default: Any
    metadata: Mapping[str, Any]


def fields_of(cls: type, prefix: str = "") -> list[FieldInfo]:
    """List the leaves of a dataclass in order; nested dataclasses give dotted names."""
    return list(_leaves(cls, prefix, MISSING))


def _leaves(cls: type, prefix: str, instance: Any) -> Iterator[FieldInfo]:
    hints = _hints(cls)
    for spec in dataclasses.fields(cls):
        if not spec.init:
            continue
        default = spec.default
        if default is MISSING and spec.default_factory is not MISSING:
            default = spec.default_factory()
        if instance is not MISSING:
            default = getattr(instance, spec.name)
        if dataclasses.is_dataclass(hints[spec.name]):
            yield from _leaves(hints[spec.name], f"{prefix}{spec.name}.", default)
        else:
            yield FieldInfo(prefix + spec.name, hints[spec.name], default, spec.metadata)


def flatten(instance: Any) -> dict[str, Any]:
    """Return a dataclass instance as a mapping of dotted names to values."""
    return {info.name: info.default for info in _leaves(type(instance), "", instance)}


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested mapping of dotted names, for `from_mapping`.

    Raises:
        ConfigError: a name is both a value and a section.
    """
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, leaf = name.split(".")
        place: Any = nested
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{name}: {section} is a value and a section at once")
        if leaf in place:
            raise ConfigError(f"{name}: a value and a section at once")
        place[leaf] = value
    return nested
