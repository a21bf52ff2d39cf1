"""An architecture made into a network, and the hand-designed networks it is measured against."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "build": ".network",
        "MobileConformer": ".network",
        "Recogniser": ".network",
        "CellNetwork": ".cells",
        "build_streaming": ".streaming",
        "StreamingConformer": ".streaming",
        "StreamSettings": ".streaming_plan",
        "Plan": ".streaming_plan",
        "baseline": ".baselines",
        "BASELINES": ".baselines",
    },
)
