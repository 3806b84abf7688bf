"""What the recorder must know of a message type: its definition's text and where its stamp is."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from stride_control.messages import message_class

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
SCALARS = ["bool", "byte", "char", "float32", "float64", *INTEGERS]
PRIMITIVES = frozenset([*SCALARS, "string", "wstring"])
SEPARATOR = "=" * 80

Find = Callable[[str, str], str]  # (package, type) -> text of its .msg file; raises OSError


def definition(type_name: str, find: Find) -> str:
    """Return the .msg text of `pkg/msg/Name` followed by those of all types it refers to.

    Each follows a line of 80 `=` and one `MSG: pkg/Name`, as rosbag2 writes them.

    Raises:
        OSError: A definition is not installed.
    """
    package, _, name = type_name.split("/")
    root = (package, name)
    texts: dict[tuple[str, str], str] = {}
    waiting = [root]
    while waiting:
        key = waiting.pop()
        if key not in texts:
            texts[key] = find(*key)
            waiting += reversed(references(texts[key], key[0]))
    parts = [texts.pop(root)]
    parts += [f"{SEPARATOR}\nMSG: {key[0]}/{key[1]}\n{text}" for key, text in texts.items()]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def references(text: str, package: str) -> list[tuple[str, str]]:
    """Return (package, name) of the message types which a .msg text of `package` names."""
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) < 2:
            continue
        base = words[0].split("[", 1)[0].split("<", 1)[0]
        if base in PRIMITIVES:
            continue
        owner, _, name = base.rpartition("/")
        found.append((owner.split("/")[0] or package, name))
    return found


def installed(package: str, name: str) -> str:
    """Return the text of an installed .msg file.

    Raises:
        OSError: It is not installed.
    """
    from ament_index_python import PackageNotFoundError, get_package_share_path

    try:
        share = get_package_share_path(package)
    except PackageNotFoundError as error:
        raise FileNotFoundError(f"package {package} is not installed") from error
    return str((share / "msg" / f"{name}.msg").read_text())


_TIMES = (Struct(">iI"), Struct("<iI"))  # by the low bit of the encapsulation's second byte


def stamp_reader(cls: Any) -> Callable[[bytes], int | None] | None:
    """Return what reads the stamp [ns] in a serialised message of class `cls`, or None.

    The stamp is that of the message's header, or of the header of the first element of its array
    (as in TFMessage; None when that is empty), or a leading time that is all it holds (Clock).
    """
    fields = list(cls.get_fields_and_field_types().values())
    # CDR: 4 bytes of encapsulation, then the fields; a header begins with its stamp.
    if fields[0] == "std_msgs/Header" or fields == ["builtin_interfaces/Time"]:
        return lambda data: _time_at(data, 4)
    if fields[0].startswith("sequence<") and len(fields) == 1:
        element = fields[0].removeprefix("sequence<").removesuffix(">").split(",")[0]
        if "/" in element and _begins_with_header(element):
            return lambda data: _time_at(data, 8) if len(data) > 8 else None
    return None


def _time_at(data: bytes, offset: int) -> int | None:
    if len(data) < offset + 8:
        return None  # whoever sent it: it is recorded as it is
    seconds, nanoseconds = _TIMES[data[1] & 1].unpack_from(data, offset)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _begins_with_header(element: str) -> bool:
    package, name = element.split("/")
    cls = message_class(f"{package}/msg/{name}")
    first: str = next(iter(cls.get_fields_and_field_types().values()))
    return first == "std_msgs/Header"
