"""Change each solution in small ways, and list the changes that its checks do not notice.

    python tests/mutate.py [ID ...]

The same as `speechnas grade --new ID` says of one exercise; see `speechnas_lab.grading.writing.alive`.
"""

from __future__ import annotations

import sys

from exercise_files import HERE

from speechnas_lab.grading.writing.alive import equivalent, survivors
from speechnas_lab.grading.writing.source import EQUIVALENT


def main() -> None:
    """Report on the named exercises, or on all."""
    for id in sys.argv[1:] or HERE:
        lived, tried = survivors(id)
        known = equivalent(id)
        new = [change for change in lived if change not in known]
        print(f"{id}: {tried} changes, {len(lived)} live, {len(lived) - len(new)} of them are equivalent", flush=True)
        for change in new:
            print(f"{id} | {change} | ")
        for change in sorted(set(known) - set(lived)):
            print(f"  in {EQUIVALENT.name}, but it does not live: {change}")


if __name__ == "__main__":
    main()
