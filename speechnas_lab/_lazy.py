"""Names that load their module when first used, so that `import speechnas_lab` stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable


def exports(package: str, where: dict[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return (__getattr__, __dir__, __all__) for a package whose public `name` lives in the module `where[name]`.

    Use: `__getattr__, __dir__, __all__ = exports(__name__, {"build": ".network"})`. No name may be a module's: once
    that module is loaded, Python gives it for the name.
    """
    hidden = [name for name in where if f".{name}" in where.values()]
    if hidden:
        raise ImportError(f"{package}: {hidden[0]} is the name of a module too; give one of them another")

    def get(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(where[name], package), name)

    return get, lambda: sorted(where), sorted(where)
