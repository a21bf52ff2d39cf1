"""Weight sharing: the supernet, path and sandwich sampling, how well shared weights rank."""

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
    },
)
