"""Packaging of stride_operator."""

from __future__ import annotations

from setuptools import find_packages, setup

NAME = "stride_operator"
DESCRIPTION = "What a person uses beside the robot: the live page and the recorder."

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
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "viewer_node = stride_operator.viewer_node:main",
            "recorder_node = stride_operator.recorder_node:main",
        ]
    },
)
