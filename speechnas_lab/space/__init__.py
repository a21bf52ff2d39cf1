"""What may be built: architectures as plain, frozen data, their moves, counts and canonical forms.

Read in this order: `architecture` (the data), `symmetry` (when two are the same), `space` (the moves),
`counting` (parameters and MACs), `encoding` (a row of numbers), `picture` (words and drawings). No torch.
Micro search has the same in small: `cells`, `cell_symmetry`, `cell_space`, `cell_layers`.
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
        "Cell": ".cells",
        "CellSpace": ".cell_space",
        "check_cell": ".cells",
        "from_json": ".cells",
        "OPERATIONS": ".cell_symmetry",
        "form": ".cell_symmetry",
        "SKELETON": ".cell_layers",
        "KERNELS": ".cell_layers",
        "describe": ".picture",
        "drawing": ".picture",
    },
)
