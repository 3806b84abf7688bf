"""Start of the bootstrap: picks a Python that stride can use. Old Pythons must parse this file."""

import os
import shutil
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def main() -> None:
    """Run the bootstrap under a suitable Python; exit with 2 where there is none."""
    version = sys.version_info[:2]
    sourced = bool(os.environ.get("ROS_DISTRO"))  # then that ROS 2 has decided which Python it is
    if version < OLDEST or (version > NEWEST and not sourced):
        for minor in () if sourced else (12, 11, 13):
            other = shutil.which("python3.%d" % minor)  # noqa: UP031
            if other and not os.environ.get("STRIDE_BOOTSTRAP_PYTHON"):
                os.environ["STRIDE_BOOTSTRAP_PYTHON"] = other
                os.execv(other, [other, "-I", "-S", os.path.dirname(__file__), *sys.argv[1:]])
        found = ".".join(map(str, version))
        sys.stderr.write(
            "stride: Python %s is not one stride runs on; it needs 3.11, 3.12 or 3.13 "  # noqa: UP031
            "(Ubuntu 24.04 and Debian 12 have one)\n" % found
        )
        sys.exit(2)
    from stride_setup.main import main as run

    sys.exit(run(sys.argv[1:]))


main()
