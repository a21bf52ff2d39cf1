"""One architecture on its way through a search."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class Trial:
    """What a strategy asked for, and what came of it.

    `budget` is the fidelity in 0..1 that it reaches (1 is a full evaluation). `cost` is what it takes of the
    search's budget: as much, or less when it goes on from an earlier trial of the same architecture.
    `values` holds one number for each objective, lower is better; it stays empty until the trial is told,
    and for ever when it failed. `parts` is free room for whatever the evaluation wants to keep (it goes into
    the journal as JSON). `seconds` is how long the search waited for the result.
    """

    arch: object
    number: int = 0
    budget: float = 1.0
    values: tuple[float, ...] = ()
    parts: dict[str, object] = field(default_factory=dict)
    state: str = "asked"  # then "done" or "failed"
    reason: str = ""  # why it failed
    seconds: float = 0.0
    cost: float | None = None  # becomes `budget`

    def __post_init__(self) -> None:
        if self.cost is None:
            self.cost = self.budget
