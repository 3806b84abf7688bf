"""Packaging of stride_bringup."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

NAME = "stride_bringup"
DESCRIPTION = "Starts stride: list of nodes, command line, launch files, configuration, policies."


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Return data_files that install every file below `folder` under share/, tree kept.

    `folder` is a link to the folder of that name at the root of the repository. The links lie in
    a folder of their own, so that none of them can be imported as a package named `launch`.
    """
    source = Path("installed", folder)
    files = sorted(p for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc")
    return [(f"share/{NAME}/{p.parent.relative_to('installed')}", [str(p)]) for p in files]


setup(
    name=NAME,
    version="0.1.0",
    description=DESCRIPTION,
    license="Apache-2.0",
    maintainer="The stride maintainers",
    maintainer_email="stride-maintainers@example.org",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("launch"),
        *shared("config"),
        *shared("policies"),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "composed = stride_bringup.composed_main:main",
            "stride = stride_bringup.cli:main",
        ]
    },
)
