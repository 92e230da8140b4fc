"""`python -m loopctl.demo play --data DIR`: the process that `loop up` starts for the demo."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from loopctl.console import complain
from loopctl.demo import start
from loopctl.errors import Problem
from loopctl.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loopctl.demo")
    parser.add_argument("act", choices=["play"])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        start.play(Stack.at(arguments.data))
    except Problem as problem:
        complain(f"{problem.what}: {problem.remedy}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
