"""``python -m stride_training COMMAND``: the commands of training, without ROS."""

import sys

from stride_training.cli import main

sys.exit(main())
