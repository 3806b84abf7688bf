#!/bin/bash
# Runs a command where ROS 2 and the built workspace are sourced.
set -e
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/stride/install/local_setup.bash
exec "$@"
