"""``python -m stride_bringup.cli``: what ``./stride`` runs once the workspace stands."""

import signal
import sys

# Ctrl-C ends it without a traceback, until a run takes the signal over.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from stride_bringup.cli.main import main  # noqa: E402

sys.exit(main())
