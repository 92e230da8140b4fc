"""What stops a command, said in one sentence that ends in what to do about it."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """Something outside the program's control; `remedy` is what the operator does next. Exit code 1."""

    def __init__(self, what: str, *, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what
        self.remedy = remedy


class WrongUsage(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """The command was asked for something it does not offer. Exit code 2."""
