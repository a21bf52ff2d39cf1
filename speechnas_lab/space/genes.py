"""A space as a row of choices: what strategies work on that know nothing of networks (TPE, a controller, a grid)."""

from __future__ import annotations

from typing import Any, NamedTuple


class Gene(NamedTuple):
    """One choice: its name and its options, in a fixed order."""

    name: str
    options: tuple[Any, ...]
