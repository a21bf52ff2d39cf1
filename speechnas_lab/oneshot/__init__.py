"""Weight sharing: the supernet, path and sandwich sampling, how well shared weights rank; mixed operations and DARTS.

Read in this order: `elastic`, `supernet`, `sampling`, `ranking`; and apart from them `mixed`, `mixture`, `darts`.
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Supernet": ".supernet",
        "share": ".elastic",
        "Sandwich": ".sampling",
        "one_path": ".sampling",
        "distillation": ".sampling",
        "fidelity": ".ranking",
        "ceiling": ".ranking",
        "seed_to_seed": ".ranking",
        "Fidelity": ".ranking",
        "MixedOp": ".mixed",
        "Zero": ".mixed",
        "MixedConformer": ".mixture",
        "alpha_gradient": ".darts",
        "DartsStep": ".darts",
    },
)
