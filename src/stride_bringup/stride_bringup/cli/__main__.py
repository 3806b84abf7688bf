"""``python -m stride_bringup.cli``: what ``./stride`` runs once the workspace stands."""

import sys

from stride_bringup.cli.main import main

sys.exit(main())
