"""Commands run in this process, small: a whole search takes seconds. As a program: the same, for tests that kill it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from speechnas_lab import cli, steps

MICRO = steps.Budget("smoke", "smoke", 8, 2, 2, 4, 1, 3, ("conformer-small",))


class Inline:
    """`jobs.Workers` without processes."""

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable, *args: Any) -> Future:
        future: Future = Future()
        future.set_result(work(*args))
        return future

    def gather(self, futures: Sequence[Future], advance: Callable | None = None) -> list[Any]:
        return [future.result() for future in futures]


def main(argv: list[str]) -> int:
    """The command at micro budget."""
    steps.BUDGETS["smoke"] = MICRO
    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
