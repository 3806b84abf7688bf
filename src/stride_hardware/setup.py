"""Packaging of stride_hardware."""

from __future__ import annotations

from setuptools import find_packages, setup

NAME = "stride_hardware"
DESCRIPTION = "The motors and the IMU of stride: drivers, calibration, an emulated servo bus."

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
            "actuator_node = stride_hardware.actuator_node:main",
            "estimator_node = stride_hardware.estimator_node:main",
            "imu_node = stride_hardware.imu_node:main",
        ]
    },
)
