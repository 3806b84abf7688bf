"""``python -m stride_training COMMAND``: the commands of training, without ROS."""

import signal
import sys

# Ctrl-C ends it without a traceback, until a command can say so.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from stride_training.cli import main  # noqa: E402

sys.exit(main())
