"""Packaging of stride_sim."""

from __future__ import annotations

from setuptools import find_packages, setup

NAME = "stride_sim"
DESCRIPTION = "The simulated plant of stride: MuJoCo behind the same topics as the motors."

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
            "sim_node = stride_sim.sim_node:main",
            "twin_node = stride_sim.twin_node:main",
        ]
    },
)
