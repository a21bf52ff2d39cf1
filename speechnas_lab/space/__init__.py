"""What may be built: architectures as plain, frozen data, their moves, counts and canonical forms.

Read in this order: `architecture` (the data), `symmetry` (when two are the same), `space` (the moves),
`counting` (parameters and MACs), `encoding` (a row of numbers), `picture` (words and drawings). No torch.
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Block": ".architecture",
        "Stage": ".architecture",
        "Architecture": ".architecture",
        "SKIP": ".architecture",
        "check": ".architecture",
        "Segment": ".symmetry",
        "segments": ".symmetry",
        "Choices": ".presets",
        "PRESETS": ".presets",
        "conformer": ".presets",
        "MobileConformerSpace": ".space",
        "Counts": ".counting",
        "counts": ".counting",
        "int8_bytes": ".counting",
        "describe": ".picture",
        "drawing": ".picture",
    },
)
