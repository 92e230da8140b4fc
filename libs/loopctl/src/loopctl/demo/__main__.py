"""`python -m loopctl.demo play|past --data DIR`: the processes that `loop up` starts for the demo.

`past` writes the training file while the servers still start; `play` plays.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from loopctl.console import complain
from loopctl.demo import progress, start, training
from loopctl.errors import Problem
from loopctl.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loopctl.demo")
    parser.add_argument("act", choices=["play", "past"])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # while the broker is away it says so ten times a second
    try:
        stack = Stack.at(arguments.data)
        if arguments.act == "past":
            known = progress.load(stack)
            training.write_past(stack.folder, known.world, known.began_at)
        else:
            start.play(stack)
    except Problem as problem:
        complain(f"{problem.what}: {problem.remedy}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
