"""Reading a YAML file with every mistake answered in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


def one_line(value: object) -> str:
    """Return a message or a value without line breaks."""
    return " ".join(str(value).split())


class ConfigError(ValueError):
    """A configuration is wrong; the message is one line: where, key, value, what was expected."""

    def __init__(self, message: object) -> None:
        # Names and values of a user's file are part of it, with whatever is in them.
        super().__init__(one_line(message))


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes the text which `_StrictLoader` would read as a number."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and reads 1e-3 as the number it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            key = self.construct_object(key_node)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key_node.value!r} is there twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1, which PyYAML reads, wants a dot and a sign, 1.0e-3 and 1.0e+3; other tools do not.
for _either in (_StrictLoader, _Dumper):
    _either.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse YAML text whose top level is a mapping.

    Raises:
        ConfigError: syntax error, duplicate key, or not a mapping; one line with the line number.
    """
    return deepcopy(_parsed(text, where))


@lru_cache(maxsize=64)
def _parsed(text: str, where: str) -> dict[str, Any]:
    """A robot's file takes some 20 ms, and the start of a graph reads a few of them fifty times.

    libyaml would be ten times as fast, and ends the process where brackets nest too deeply.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        problem = error.problem or error.context or "not valid YAML"
        raise ConfigError(f"{where}{line}: {problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{where}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{where}: expected a mapping of keys to values, found {found}")
    return content


def parse_value(text: str) -> Any:
    """Parse one value of a command line, as `parse_yaml` reads those of a file.

    Raises:
        ValueError: it is not valid YAML.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(one_line(error)) from None


def as_yaml(content: Mapping[str, Any]) -> str:
    """Text from which `parse_yaml` reads the same content; keys stay in their order."""
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False)
    return text


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: no such file, unreadable, or what `parse_yaml` refuses; one line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_yaml(text, str(path))
