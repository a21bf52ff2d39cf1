"""From genes to architectures, when the genes were chosen by someone who knows no limits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ..errors import BadInput


def decoded(space: Any, indices: Sequence[int]) -> Any | None:
    """The architecture with these genes, or None when they break a limit of the space."""
    try:
        return space.from_genes(indices)
    except BadInput:
        return None


def repaired(space: Any, indices: Sequence[int], rng: random.Random) -> Any:
    """An architecture inside the space with as many of these genes as its limits let through.

    If they break a limit, a random architecture takes them over one by one, in random order; a gene that would
    lead outside stays as it was.
    """
    arch = decoded(space, indices)
    if arch is not None:
        return arch
    arch = space.sample(rng)
    now = list(space.to_genes(arch))
    for place in rng.sample(range(len(now)), len(now)):
        changed = decoded(space, [*now[:place], indices[place], *now[place + 1 :]])
        if changed is not None:
            arch, now[place] = changed, indices[place]
    return arch
