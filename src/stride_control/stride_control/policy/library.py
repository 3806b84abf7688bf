"""Where policies are: names, files, contracts. Nothing here runs one, or needs onnxruntime."""

from __future__ import annotations

from pathlib import Path

from stride_core.contract import Contract, ContractError
from stride_core.policy_file import LARGEST_FILE, read_contract

NONE = "none"
"""No policy: the nominal gait."""

FILE = "policy.onnx"
_SUFFIX = ".onnx"


class PolicyError(ContractError):
    """A policy is refused; the message is one line.

    Attributes:
        measured: what this machine measured, which differs from run to run; may be empty.
    """

    def __init__(self, text: str, measured: str = "") -> None:
        super().__init__(text)
        self.measured = measured


def find_policy(name: str, folder: Path) -> Path:
    """The file that is meant.

    Args:
        name: of a policy in the folder, or a path to an ONNX file or to the folder around one.
        folder: with a folder or a file for each policy.

    Raises:
        PolicyError: there is none; it says which there are.
    """
    if not name or "\0" in name:
        raise PolicyError(f"policy {name!r}: expected a name or a path")
    if not name.isprintable():  # bytes that are no UTF-8 are in no message
        raise PolicyError(f"policy {name!a}: expected printable characters, in UTF-8")
    trouble = "not there"
    for place in (Path(name), folder / name, folder / f"{name}{_SUFFIX}"):
        try:
            file = place / FILE if (place / FILE).exists() else place
            if file.is_file():  # no folder, and no pipe that never ends
                return file
            if place.is_dir() and place != folder:
                trouble = f"no {FILE} in it"
        except OSError as error:  # a name too long, a folder that may not be searched
            trouble = str(error.strerror)
    known = ", ".join([*policies(folder), NONE])
    raise PolicyError(f"policy {name!r}: {trouble}; expected a path or one of {known}")


def policies(folder: Path) -> dict[str, Path]:
    """All policies of a folder by name."""
    files = [*folder.glob(f"*/*{_SUFFIX}"), *folder.glob(f"*{_SUFFIX}")]
    return dict(sorted((name_of(file, folder), file) for file in files))


def name_of(file: Path, folder: Path) -> str:
    """Short name of a policy's file."""
    name = file.with_suffix("")
    short = name.parent if file.name == FILE and name.parent != folder else name
    return str(short.relative_to(folder)) if short.is_relative_to(folder) else short.absolute().name


def read_policy(file: Path) -> tuple[bytes, Contract]:
    """Bytes and contract of a file that is as it was written.

    Raises:
        PolicyError: it cannot be read, or is damaged.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE or not file.is_file():
            raise PolicyError(f"{file}: {size} bytes: expected at most {LARGEST_FILE}, of a file")
        data = file.read_bytes()
    except OSError as error:
        raise PolicyError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return data, read_contract(data)
    except ContractError as error:
        raise PolicyError(f"{file}: {error}") from None
