"""Packaging of stride_description."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

NAME = "stride_description"
DESCRIPTION = "Robots of stride: a folder each with robot.yaml, MJCF and URDF."


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Return data_files that install every file below `folder` under share/, tree kept."""
    files = sorted(p for p in Path(NAME, folder).rglob("*") if p.is_file())
    return [(f"share/{p.parent}", [str(p)]) for p in files]


setup(
    name=NAME,
    version="0.1.0",
    description=DESCRIPTION,
    license="Apache-2.0",
    maintainer="The stride maintainers",
    maintainer_email="stride-maintainers@example.org",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed", "robots/**/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("robots"),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
)
