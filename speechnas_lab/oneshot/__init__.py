"""Weight sharing: the supernet, path and sandwich sampling, how well shared weights rank; mixed operations and DARTS.

Read in this order: `elastic`, `supernet`, `sampling`, `ranking`; and apart from them `mixing`, `mixed`, `mixture`,
`darts`, `inner`, `collapse`, `discretisation`. The cell space has the same in small: `cells`, `cell_mixture`.
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Supernet": ".supernet",
        "CellSupernet": ".cells",
        "share": ".elastic",
        "Sandwich": ".sampling",
        "one_path": ".sampling",
        "distillation": ".sampling",
        "fidelity": ".ranking",
        "ceiling": ".ranking",
        "seed_to_seed": ".ranking",
        "Fidelity": ".ranking",
        "Softmax": ".mixing",
        "Sigmoid": ".mixing",
        "GumbelSoftmax": ".mixing",
        "MixedOp": ".mixed",
        "Zero": ".mixed",
        "MixedConformer": ".mixture",
        "MixedCellNetwork": ".cell_mixture",
        "alpha_gradient": ".darts",
        "DartsStep": ".darts",
        "PlainStep": ".inner",
        "MomentumStep": ".inner",
        "alpha_hessian_top": ".collapse",
        "AuxiliarySkip": ".collapse",
        "EarlyStopping": ".collapse",
        "Perturbation": ".collapse",
        "Sharpness": ".collapse",
        "discretisation_gap": ".discretisation",
        "Gap": ".discretisation",
    },
)
