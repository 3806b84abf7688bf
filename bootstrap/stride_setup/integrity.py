"""Finds what an interrupted pip left half-installed, so that the next pip installs it again.

pip takes a package for installed as soon as its metadata is there, even where files are missing.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path


def remove_damaged(site_packages: Path, since: float) -> list[str]:
    """Remove the metadata of damaged packages, and pip's own leftovers; return the packages' names.

    Only those that were installed after `since` [s, Unix time] are looked at: some ROS 2 wheels
    share a file, and then only the last one installed has it as listed.
    """
    recent = [info for info in site_packages.glob("*.dist-info") if info.stat().st_mtime >= since]
    damaged = [info for info in sorted(recent) if is_damaged(info)]
    for info in [*damaged, *site_packages.glob("~*")]:
        if info.is_dir():
            shutil.rmtree(info)
        else:
            info.unlink()
    return [info.name.partition("-")[0] for info in damaged]


def is_damaged(info: Path) -> bool:
    """Tell whether a package lacks its list of files, or one of the files, or part of a file.

    CMake files may differ in size: those of the ROS 2 wheels are repaired after installation.
    """
    try:
        rows = list(csv.reader((info / "RECORD").read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError):
        return True
    return not rows or not all(_is_whole(info.parent, row) for row in rows)


def _is_whole(folder: Path, row: list[str]) -> bool:
    if len(row) != 3:
        return False
    try:
        size = (folder / row[0]).stat().st_size
    except OSError:
        return False
    return not row[2] or row[0].endswith(".cmake") or size == int(row[2])
