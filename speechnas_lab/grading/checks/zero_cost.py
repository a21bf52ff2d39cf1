"""14-zero-cost: two scores of a network that nobody trained: how it tells inputs apart, and how much can flow."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import exp, log
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..exercise import Exercise, Wrong, check, number, overflows, same

CODES = ((4, 4), (3, 6), (6, 20))  # (inputs, units), the smallest first
BATCH, UNITS = 128, 1000  # a determinant of about e^800: more than a float can hold
SMALL = (2, 2, 1)
NETWORKS = ((SMALL, True), ((3, 2, 1), False), ((2, 3, 2), True), ((3, 4, 4, 2), True))  # (widths, with bias)
CLOSE = 1e-4  # float32 is exact enough
Parameters = Mapping[str, Tensor]


def _logdet(kernel: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(np.linalg.slogdet(kernel)[1])


def _agreements(rows: np.ndarray) -> np.ndarray:
    """(a, b) of bool -> (a, a): in how many places two rows are equal."""
    return (rows[:, None] == rows[None]).sum(-1).astype(float)


def _kernel_scores(codes: np.ndarray) -> tuple[float, dict[str, float]]:
    """The score of codes (inputs, units), and what known slips give."""
    inputs, units = codes.shape
    kernel, active = _agreements(codes), codes.astype(float)
    right = _logdet(kernel)
    return right, {
        "this is log2; the natural logarithm is meant": right / log(2),
        "this is log10; the natural logarithm is meant": right / log(10),
        "this is the determinant itself, not its logarithm": exp(right),
        "this is the determinant's sign; slogdet gives the sign first, then the logarithm": 1.0,
        "K holds the distances; close inputs need a large entry: the number of units less the distance":
            _logdet(units - kernel),
        "only units that are active for both count; those silent for both agree as well": _logdet(active @ active.T),
        "agreements minus disagreements are counted; disagreements are only left out": _logdet(2 * kernel - units),
        "K compares the units with each other; the inputs are meant": _logdet(_agreements(codes.T)),
        "K is divided by the number of units": right - inputs * log(units),
        "the score is divided by the number of inputs": right / inputs,
        "the sign of the score is turned": -right,
        "only the diagonal of K is looked at, which is the same for all networks": inputs * log(units),
        "K is added up; its determinant is meant": log(kernel.sum()),
    }  # fmt: skip


def _codes(rng: Random, inputs: int, units: int) -> np.ndarray:
    """Random codes of a kernel that has an inverse. In a square case no two slips give the same."""
    while True:
        codes = np.array([[rng.random() < 0.5 for _ in range(units)] for _ in range(inputs)])
        right, slips = _kernel_scores(codes)
        if right > -1 and (inputs != units or _apart([right, *slips.values()])):
            return codes


def _apart(values: list[float]) -> bool:
    """Whether no two of the values are the same, so that each slip can be told from the others."""
    return bool(np.isfinite(values).all()) and all(abs(a - b) > 0.01 for a, b in combinations(values, 2))


def _shown(codes: np.ndarray) -> str:
    return "codes " + ", ".join("".join(map(str, row.astype(int))) for row in codes)


@check("scores codes by the log-determinant of their kernel", points=2)
def kernel(work: Any, rng: Random) -> None:
    for inputs, units in CODES:
        codes = _codes(rng, inputs, units)
        right, slips = _kernel_scores(codes)
        same(work.naswot(torch.tensor(codes)), right, _shown(codes), "naswot(codes)", slips, CLOSE)


@check("scores a large batch, and one in which two inputs look alike", needs=(kernel,))
def extremes(work: Any, rng: Random) -> None:
    codes = np.random.default_rng(rng.getrandbits(32)).random((BATCH, UNITS)) < 0.5
    case, got = f"codes of shape {codes.shape}", work.naswot(torch.tensor(codes))
    if overflows(got):
        slip = "the determinant is larger than any float; slogdet and logdet never hold it"
        raise Wrong("naswot(codes) is not finite", case, slip)
    same(got, _logdet(_agreements(codes)), case, "naswot(codes)", tolerance=CLOSE)
    for inputs, units in ((2, 3), (4, 8)):
        codes = _codes(rng, inputs, units)
        codes[-1] = codes[0]
        score, case = number(work.naswot(torch.tensor(codes))), _shown(codes)
        if score is None or not score < -5:
            slip = "K has no inverse: its determinant is 0, and the logarithm of that is -inf"
            raise Wrong(f"naswot(codes) is {score} where two inputs have the same code", case, slip)


def _network(rng: Random, widths: tuple[int, ...], bias: bool) -> nn.Sequential:
    """Linear layers with ReLU between them; weights of both signs, biases below 0."""
    layers: list[nn.Module] = []
    for wide, narrow in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(wide, narrow, bias=bias), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            signs = [-1.0] * parameter.numel() if "bias" in name else [(-1.0) ** i for i in range(parameter.numel())]
            sizes = [round(sign * rng.uniform(0.2, 1.5), 2) for sign in signs]
            parameter.copy_(torch.tensor(sizes).view_as(parameter))
    return network


def _words(network: nn.Sequential) -> str:
    """The network in a line; with its weights, where they are few."""
    told = " - ".join(f"Linear({layer.in_features}, {layer.out_features})" for layer in network if _linear(layer))
    parameters = dict(network.named_parameters())
    if sum(p.numel() for p in parameters.values()) > 9:
        return f"{told} with ReLU between"
    return f"{told}, " + ", ".join(f"{name} {np.round(p.tolist(), 2).tolist()}" for name, p in parameters.items())


def _linear(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear)


def _exact_flow(network: nn.Sequential) -> float:
    """The score without any gradient. R is a sum of paths, each a product of parameters; theta dR/dtheta counts a path
    once for every parameter on it.
    """
    layers = [layer for layer in network if _linear(layer)]
    share = {len(layers): np.ones(layers[0].in_features)}  # parameters on the path -> what arrives by such paths
    for place, layer in enumerate(layers):
        weight = np.abs(layer.weight.detach().numpy().astype(float))
        share = {length: weight @ arrives for length, arrives in share.items()}
        if layer.bias is not None:
            length = len(layers) - place
            share[length] = share.get(length, 0) + np.abs(layer.bias.detach().numpy().astype(float))
    return float(sum(length * arrives.sum() for length, arrives in share.items()))


def _flow(network: nn.Module, at: Parameters, size: int, value: float = 1.0) -> tuple[float, Parameters]:
    """R with the parameters `at` for an input of one `value`, and its slopes by them."""
    leaves = {name: p.detach().clone().requires_grad_() for name, p in at.items()}
    flow = torch.func.functional_call(network, leaves, (torch.full((1, size), value),)).sum()
    slopes = torch.autograd.grad(flow, list(leaves.values()))
    return flow.item(), dict(zip(leaves, slopes, strict=True))


def _flow_slips(network: nn.Sequential) -> dict[str, float]:
    size, outputs = network[0].in_features, network[-1].out_features
    signed = {name: p.detach() for name, p in network.named_parameters()}
    positive = {name: p.abs() for name, p in signed.items()}
    half = {name: p if "bias" in name else p.abs() for name, p in signed.items()}
    flow, slopes = _flow(network, positive, size)
    total = lambda by, slopes: float(sum((by[n] * s).sum() for n, s in slopes.items()))  # noqa: E731
    right, raw = total(positive, slopes), _flow(network, signed, size)[1]
    only = lambda kind: {n: s for n, s in slopes.items() if kind in n}  # noqa: E731
    return {
        "the parameters keep their signs, so that paths cancel": total(signed, raw),
        "the absolute value comes after the gradient: the parameters have to be positive before it":
            float(sum((signed[n] * s).abs().sum() for n, s in raw.items())),
        "the slopes are multiplied by the parameters with their signs: put them back after the product":
            total(signed, slopes),
        "the slopes are added up without their parameters": float(sum(s.sum() for s in slopes.values())),
        "this is R itself": flow,
        "the biases are left out of the sum": total(positive, only("weight")),
        "the biases keep their signs; all parameters are made positive":
            total(half, _flow(network, half, size)[1]),
        "only the first layer is added up": total(positive, {n: s for n, s in slopes.items() if n[:2] == "0."}),
        "this is the mean over the parameters, not the sum": right / sum(p.numel() for p in signed.values()),
        "R is the sum of the outputs, not their mean": right / outputs,
        "the input is zeros; ones let something flow": total(positive, _flow(network, positive, size, 0.0)[1]),
        "the sign of the score is turned": -right,
        "this is a logarithm; the score is the sum itself": log(right),
    }  # fmt: skip


@check("adds up how much flows through every parameter", points=3)
def flow(work: Any, rng: Random) -> None:
    for widths, bias in NETWORKS:
        network = _network(rng, widths, bias)
        while widths == SMALL and not _apart(list(_flow_slips(network).values())):
            network = _network(rng, widths, bias)
        right, slips, case = _exact_flow(network), _flow_slips(network), _words(network)
        same(work.synflow(network, widths[0]), right, case, f"synflow(network, {widths[0]})", slips, CLOSE)


@check("leaves the network as it was", needs=(flow,))
def restores(work: Any, rng: Random) -> None:
    network = _network(rng, (3, 4, 2), True)
    case = _words(network) + ", with a .grad from before"
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    owned = dict(network.named_parameters())
    for parameter in owned.values():
        parameter.grad = torch.ones_like(parameter)
    got = work.synflow(network, 3)
    after = dict(network.named_parameters())
    for name, value in before.items():
        if after.get(name) is not owned[name]:
            slip = "an optimiser holds the old one: write into it with copy_"
            raise Wrong(f"afterwards {name} is another tensor than before", case, slip)
        if not torch.equal(owned[name].detach(), value):
            positive = torch.equal(owned[name].detach(), value.abs())
            slip = "the weights are left absolute: the network is another one now" if positive else "a copy, then back"
            raise Wrong(f"afterwards {name} is not what it was", case, slip)
    right, added = _exact_flow(network), float(sum(p.abs().sum() for p in before.values()))
    slips = {"backward() adds to what .grad held before": right + added}
    same(got, right, case, "synflow(network, 3)", slips, CLOSE)
    for name, parameter in owned.items():
        if parameter.grad is None or not torch.equal(parameter.grad, torch.ones_like(parameter)):
            slip = "backward() writes into .grad; torch.autograd.grad returns gradients and touches nothing"
            raise Wrong(f"{name}.grad has changed", case, slip)


@check("sends one input through the network, once", needs=(flow,))
def once(work: Any, rng: Random) -> None:
    network, rows = _network(rng, (3, 4, 2), True), []
    for layer in filter(_linear, network):
        layer.register_forward_pre_hook(lambda layer, inputs: rows.append(inputs[0].numel() // layer.in_features))
    work.synflow(network, 3)
    if len(rows) > 2 or sum(rows) > 2:
        slip = "one call of grad gives the slopes by all parameters"
        raise Wrong(f"the two layers ran {len(rows)} times, on {sum(rows)} rows in all", _words(network), slip)


EXERCISE = Exercise(
    id="14-zero-cost",
    title="Scores without training",
    lesson="14_zero_shot",
    defines=("naswot", "synflow"),
    minutes=25,
    difficulty=3,
    why="Such a score costs one look at a fresh network instead of hours; whether it ranks is yours to measure.",
    hints=(
        "Two inputs switch the same units on and off. What can the layers after these units still tell apart? And in "
        "which case does a sum of theta times slope over a layer cancel?",
        "naswot: count for each pair of inputs in how many units they agree, on or off; then slogdet. synflow: keep "
        "copies, make every parameter positive, send ones through, ask for all slopes in one call of grad, add up "
        "parameter times slope, write the copies back.",
        "agree = (codes[:, None] == codes[None]).sum(-1) compares all pairs. Under torch.no_grad(), p.abs_() and "
        "p.copy_(kept) change a parameter in place; torch.autograd.grad(flow, parameters) gives the slopes.",
    ),
    checks=(kernel, extremes, flow, restores, once),
)
