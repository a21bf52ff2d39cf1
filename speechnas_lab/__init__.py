"""speechnas_lab: hardware-aware neural architecture search for speech.

Each room is one idea of the course: `space`, `speech`, `models`, `training`, `oneshot`, `search`,
`hardware`. A room is loaded when it is first used, so that `import speechnas_lab` stays quick.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

ROOMS = ("space", "speech", "models", "training", "oneshot", "search", "hardware")
__all__ = [*ROOMS, "__version__"]


def __getattr__(name: str) -> ModuleType:
    if name not in ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return sorted(__all__)
