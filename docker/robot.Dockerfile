# syntax=docker/dockerfile:1
# What runs on the robot: the control nodes and the recorder, without torch, MuJoCo and the viewer.
# The motors: docker run --device /dev/ttyACM0 … stride hardware --port /dev/ttyACM0
# Build from the root of the repository: docker compose -f docker/compose.yaml build robot

FROM ros:jazzy AS base
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/stride
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*

# Python packages from PyPI. numpy and PyYAML stay the system's: the messages were compiled against
# that numpy.
COPY requirements/robot.txt requirements/lock.txt requirements/
RUN sed -i -E 's/^(numpy|pyyaml)==.*/\1/' requirements/*.txt \
    && python3 -m venv --system-site-packages .venv \
    && .venv/bin/python -m pip install -r requirements/robot.txt -c requirements/lock.txt

# ROS packages, from the manifests alone: a changed source does not install them anew.
COPY src/stride_msgs/package.xml src/stride_msgs/
COPY src/stride_description/package.xml src/stride_description/
COPY src/stride_core/package.xml src/stride_core/
COPY src/stride_control/package.xml src/stride_control/
COPY src/stride_hardware/package.xml src/stride_hardware/
COPY src/stride_operator/package.xml src/stride_operator/
COPY src/stride_bringup/package.xml src/stride_bringup/
RUN apt-get update \
    && rosdep update --rosdistro "${ROS_DISTRO}" \
    && rosdep install --from-paths src --ignore-src -y --rosdistro "${ROS_DISTRO}" \
        --skip-keys "stride_sim stride_training python3-mujoco-pip python3-onnxruntime-pip \
            python3-rich-pip python3-rustypot-pip python3-trimesh-pip python3-viser-pip" \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
COPY colcon.meta ./
COPY src/stride_msgs src/stride_msgs
COPY src/stride_description src/stride_description
COPY src/stride_core src/stride_core
COPY src/stride_control src/stride_control
COPY src/stride_hardware src/stride_hardware
COPY src/stride_operator src/stride_operator
COPY launch launch
COPY config config
COPY policies policies
COPY src/stride_bringup src/stride_bringup
RUN source "/opt/ros/${ROS_DISTRO}/setup.bash" \
    && .venv/bin/python -m colcon build --metas colcon.meta --cmake-args \
        "-DPython3_EXECUTABLE=/opt/stride/.venv/bin/python"

FROM base
COPY --from=build /opt/stride/install install
COPY docker/entrypoint.sh /usr/local/bin/stride-entrypoint
RUN useradd --create-home --uid 1001 --groups dialout stride
USER stride
WORKDIR /home/stride
ENV ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
ENTRYPOINT ["/usr/local/bin/stride-entrypoint"]
CMD ["bash"]
