"""``./stride policy``: which policies there are, what they say of themselves, whether they run."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stride_bringup.cli.arguments import USAGE_ERROR, Parser, number

if TYPE_CHECKING:
    from stride_bringup.verify import Verified

FAILED = 1

DESCRIPTION = """\
./stride policy list                    all policies by name
./stride policy show POLICY             its contract
./stride policy check POLICY            every check that it passes before it runs
./stride policy verify POLICY [--with RECORDED]
                                        its answers to recorded observations, compared

POLICY is a name under policies/, an ONNX file, or the folder around one. RECORDED is an .npz with
arrays `observation` (n, size) and `action` (n, actions), or a bag of ./stride sim --record in which
this policy walked; recorded.npz beside the policy if left out.
"""


def parser() -> Parser:
    """All options of ``policy``."""
    from argparse import RawDescriptionHelpFormatter

    made = Parser(
        prog="./stride policy",
        description=DESCRIPTION,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("what", choices=("list", "show", "check", "verify"))
    made.add_argument("policy", nargs="?", default="", metavar="POLICY")
    made.add_argument("--robot", default="", help="that it shall run on; its own if left out")
    made.add_argument(
        "--servo", default="", help="of the robot; with --robot its default, else the policy's own"
    )
    made.add_argument(
        "--rate",
        type=number(1, 2000),
        default=0.0,
        metavar="HZ",
        help="of control; the policy's own if left out",
    )
    made.add_argument("--with", default="", dest="recorded", metavar="RECORDED")
    made.add_argument(
        "--tolerance", type=number(0.0), default=1e-5, help="of verify, in shares of a full action"
    )
    made.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return made


def main(arguments: Sequence[str]) -> int:
    """Answer; 0 if all is well, 1 if a policy does not pass, 2 for what cannot be asked."""
    made = parser()
    given = made.parse_args(arguments)
    if given.what != "list" and not given.policy:
        made.error(f"{given.what}: expected a POLICY")
    if given.what == "list" and given.policy:
        made.error(f"list: {given.policy!r}: expected no POLICY")
    try:
        return _WHAT[given.what](given)
    except (ValueError, OSError) as error:
        print(f"./stride policy: {error}", file=sys.stderr)
        return USAGE_ERROR if given.what == "list" else FAILED


def _list(given: Namespace) -> int:
    from stride_control.messages import printable
    from stride_control.policy.library import policies, read_policy

    from stride_bringup.options import policy_folder

    rows: list[dict[str, Any]] = []
    for name, file in policies(policy_folder()).items():
        try:
            _, contract = read_policy(file)
        except ValueError as error:
            rows.append({"policy": name, "error": str(error)})
            continue
        said = contract.provenance
        kind = f"{len(contract.action_names)}-D"
        rows.append(
            {
                "policy": name,
                "robot": contract.robot,
                "servo": contract.servo,
                "rate_hz": contract.rate_hz,
                "action": kind,
                "task": said.task,
                "steps": said.steps,
                "weights": contract.weights_sha256[:12],
            }
        )
    if given.json:
        print(json.dumps(rows))
        return 0
    if not rows:
        print(f"no policies in {policy_folder()}", file=sys.stderr)
        return 0
    for cells in (max(rows, key=len), *(row.values() for row in rows)):  # the fullest one's keys
        print(printable("  ".join(f"{cell!s:<14}" for cell in cells).rstrip()))
    return 0


def _show(given: Namespace) -> int:
    from stride_control.policy.library import read_policy

    contract = read_policy(_file(given))[1]
    text = contract.to_json()
    print(text if given.json else json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    return 0


def _check(given: Namespace) -> int:
    policy, _ = _loaded(given)
    report = {
        "policy": policy.identity,
        "robot": policy.contract.robot,
        "rate_hz": policy.contract.rate_hz,
        "observations": policy.observation.size,
        "actions": policy.action.size,
        "inference_us": 1e6 * policy.inference,
    }
    if given.json:
        print(json.dumps(report))
    else:
        print(f"{policy.identity}: ok, {1e6 * policy.inference:.0f} us for an answer")
    return 0


def _verify(given: Namespace) -> int:
    from stride_bringup.verify import verify

    policy, robot = _loaded(given)
    recorded = Path(given.recorded) if given.recorded else policy.path.parent / "recorded.npz"
    found = verify(policy, recorded, robot)
    well = found.observations > 0 and found.difference <= given.tolerance
    if given.json:
        print(json.dumps({"policy": policy.identity, "ok": well, **found._asdict()}))
    else:
        print(f"{policy.identity}: {_compared(found, well)}")
    return 0 if well else FAILED


def _compared(found: Verified, well: bool) -> str:
    torn = "" if found.whole else "; the bag is cut short or damaged, as far as it goes"
    if not found.observations:
        walked = ", ".join(found.others)
        who = f": who walked is {walked}" if walked else ""
        return f"nothing to compare: it has its whole say in no tick{who}{torn}"
    return (
        f"{'ok' if well else 'DIFFERS'}: {found.observations} observations,"
        f" largest difference {found.difference:.2g} of a full action{torn}"
    )


def _file(given: Namespace) -> Path:
    from stride_control.policy.library import NONE, find_policy

    from stride_bringup.options import policy_folder

    if given.policy == NONE:
        raise ValueError(f"{NONE} is the gait alone: it has no file")
    return find_policy(given.policy, policy_folder())


def _loaded(given: Namespace) -> tuple[Any, Any]:
    """The policy, and the robot that it passed every check for."""
    from stride_control.policy.library import name_of, read_policy
    from stride_control.policy.loading import Terms, load_policy
    from stride_core.robot import load_robot

    from stride_bringup.options import Options, policy_folder

    file = _file(given)
    contract = read_policy(file)[1]
    name, servo = given.robot or contract.robot, given.servo
    if not given.robot:
        servo = servo or contract.servo
    robot = load_robot(name, servo or None)
    most = Options(robot=name, servo=servo).residual_limit
    terms = Terms(robot, given.rate or contract.rate_hz, **most)
    return load_policy(file, terms, name_of(file, policy_folder())), robot


_WHAT = {"list": _list, "show": _show, "check": _check, "verify": _verify}
