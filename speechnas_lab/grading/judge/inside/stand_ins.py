"""What the learner's code is handed in place of the judge's functions, objects, networks and optimisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LAYERS: dict[str, Callable[..., nn.Module]] = {"Linear": nn.Linear, "ReLU": nn.ReLU}  # that may be built there anew


class Module(nn.Module):
    """A network that runs on the judge's side. Its parameters are twins."""

    def __init__(self, ask: Callable[..., Any], parameters: dict[str, Tensor], methods: list[str]) -> None:
        super().__init__()
        for name, value in parameters.items():
            self.register_parameter(name, value)
        for name in methods:
            object.__setattr__(self, name, lambda *inputs, name=name, **options: ask(name, inputs, options))
        object.__setattr__(self, "_ask", ask)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self._ask("__call__", inputs, options)


class Optimizer(torch.optim.Optimizer):
    """An optimiser whose steps are taken on the judge's side."""

    def __init__(self, ask: Callable[..., Any], parameters: list[Tensor], rate: float) -> None:
        super().__init__(parameters, {"lr": rate})
        self._ask = ask

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._ask("step", (), {})
        return loss


def function(ask: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of the judge's."""

    def asked(*inputs: Any, **options: Any) -> Any:
        return ask("__call__", inputs, options)

    asked.__name__ = asked.__qualname__ = name
    return asked


def thing(ask: Callable[..., Any], name: str, methods: list[str]) -> Any:
    """An object of the judge's that has these methods and nothing else."""
    made = {method: _special(method) if method.startswith("__") else _plain(method) for method in methods}
    made["__slots__"] = ("_ask",)
    if "__hash__" not in made:
        made["__hash__"] = object.__hash__
    found = type(name, (), made)()
    found._ask = ask
    return found


def layers(parts: list[list[Any]], parameters: dict[str, Tensor]) -> nn.Sequential:
    """A plain chain of layers; its parameters are twins."""
    chain = nn.Sequential(*(LAYERS[name](*sizes) for name, *sizes in parts))
    for name, value in parameters.items():
        place, _, word = name.rpartition(".")
        chain.get_submodule(place).register_parameter(word, value)
    return chain


def _plain(name: str) -> Callable[..., Any]:
    def method(self: Any, *inputs: Any, **options: Any) -> Any:
        return self._ask(name, inputs, options)

    method.__name__ = name
    return method


def _special(name: str) -> Callable[..., Any]:
    return lambda self, *inputs: self._ask(name, inputs, {})
