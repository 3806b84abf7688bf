"""Packaging of stride_control."""

from __future__ import annotations

from setuptools import find_packages, setup

NAME = "stride_control"
DESCRIPTION = "Nodes of stride that control: gait, policy, inverse kinematics, safety; composition."

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
            "compose = stride_control.compose:main",
            "gait_node = stride_control.gait_node:main",
            "ik_node = stride_control.ik_node:main",
            "policy_node = stride_control.policy_node:main",
            "safety_node = stride_control.safety_node:main",
        ]
    },
)
