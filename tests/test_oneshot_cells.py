"""Weights shared by all cells, and DARTS on a cell, against the cell's own formula and finite differences."""

from __future__ import annotations

import copy
import random
from functools import cache
from itertools import chain, combinations
from math import gcd

import numpy as np
import pytest
import torch
from network_data import examples
from torch import Tensor, nn

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import LatencyPredictor
from speechnas_lab.models import build
from speechnas_lab.oneshot import (
    AuxiliarySkip,
    CellSupernet,
    DartsStep,
    GumbelSoftmax,
    MixedCellNetwork,
    Perturbation,
    Sigmoid,
    Softmax,
    discretisation_gap,
    one_path,
)
from speechnas_lab.oneshot.cell_mixture import MixedCell
from speechnas_lab.oneshot.cells import SharedCell, holds, nodes_of_terms
from speechnas_lab.oneshot.sampling import some_path
from speechnas_lab.space import OPERATIONS, Cell, CellSpace, counts, form
from speechnas_lab.training import Recipe, collate, train
from speechnas_lab.training.losses import recognition_loss

torch.set_num_threads(1)
SPACE = CellSpace()
OFFSETS = {  # frames that an operation looks at: 4 ahead, the rest behind
    "linear": [0],
    "conv5": [0, 1, 2, 3, 4],
    "conv5d2": [-4, -2, 0, 2, 4],
    "conv7": [-2, -1, 0, 1, 2, 3, 4],
    "conv7d2": [-8, -6, -4, -2, 0, 2, 4],
}
KINDS = {  # one of each kind that the rules of `form` know
    "x twice": [[5, 1], [5, 1, 1], [5, 0, 0, 1]],
    "nothing": [[1, 0], [1, 0, 0], [5, 0, 0, 0]],
    "branches change places": [[0, 0], [5, 1, 0], [1, 0, 1, 0]],
    "linear of 2 x": [[5, 1], [5, 1, 1], [0, 0, 0, 1]],
    "convolution of 2 x": [[5, 1], [5, 1, 1], [2, 1, 1, 1]],
    "convolution of 0": [[5, 0], [3, 1, 0], [5, 0, 0, 1]],
    "linear reads a constant": [[5, 0], [1, 1, 0], [0, 0, 0, 0]],
    "linear reads only a constant": [[5, 0], [1, 0, 0], [0, 0, 1, 0]],
    "a constant is read and put out": [[5, 0], [2, 1, 0], [0, 1, 1, 1]],
    "convolution reads a constant": [[5, 0], [1, 1, 0], [3, 0, 0, 0]],
    "output twice a sum": [[0, 1], [5, 0, 1], [5, 0, 1, 1]],
}


@cache
def some_cells() -> list[Cell]:
    """60 raw ones, drawn, and one of each kind."""
    rng = random.Random(0)
    return [*(SPACE.sample(rng) for _ in range(60)), *map(SPACE.from_vector, KINDS.values())]


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and biases large enough for both ends of the activation, in float64."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.double().named_parameters():
            if "cells." in name or name.startswith("nodes."):
                p.mul_(4)
            if name.endswith("bias"):
                p.add_(2 * torch.rand(p.shape, generator=generator, dtype=p.dtype) - 0.5)
    return network


def operate(name: str, operation: nn.Module, x: np.ndarray) -> np.ndarray:
    """a(operation(x)) of x (T, C), tap by tap and group by group; a frame outside is 0."""
    weight, bias = (p.detach().numpy() for p in operation.parameters())
    weight = weight.reshape(len(bias), -1, len(OFFSETS[name]))  # (C, channels a group, taps)
    out, size = np.tile(bias, (len(x), 1)), weight.shape[1]
    for tap, offset in enumerate(OFFSETS[name]):
        moved = np.array([x[t + offset] if 0 <= t + offset < len(x) else 0 * x[0] for t in range(len(x))])
        for c in range(len(bias)):
            first = c // size * size
            out[:, c] += moved[:, first : first + size] @ weight[c, :, tap]
    return out.clip(0, 20)


def by_formula(layers: SharedCell, cell: Cell, x: np.ndarray) -> np.ndarray:
    y = [x]
    for own, name, skips in zip(layers.nodes, cell.operations, cell.skips, strict=True):
        term = np.zeros_like(x) if name == "zero" else operate(name, own[name], y[-1])
        y.append(term + sum(s * before for s, before in zip(skips, y, strict=True)))
    return y[-1]


@pytest.fixture(scope="module")
def trained() -> CellSupernet:
    torch.manual_seed(0)
    supernet = CellSupernet(SPACE, vocab_size=5)
    train(supernet, examples(), Recipe(steps=5, batch=4), frame_labels=5, backward=one_path)
    return supernet


X, LENGTHS = torch.randn(2, 100, 80, generator=torch.Generator().manual_seed(3)), torch.tensor([100, 61])


# ---- the supernet


def test_shared_operations_compute_the_formula_of_any_cell() -> None:
    torch.manual_seed(0)
    layers = shaken(SharedCell(OPERATIONS, 16))
    x = 5 * torch.randn(1, 14, 16, dtype=torch.float64)
    for cell in some_cells()[::3]:
        layers.cell = cell
        right = by_formula(layers, cell, x[0].numpy())
        got = layers(x, torch.ones(1, 14, 1, dtype=x.dtype))
        np.testing.assert_allclose(got[0].detach().numpy(), right, atol=1e-9)


def test_the_sample_holds_every_rule() -> None:
    forms = [form(cell) for cell in some_cells()]
    assert any(term.operation == "constant" for simple in forms for term in simple.terms)
    assert any(nodes_of_terms(cell) != tuple(sorted(nodes_of_terms(cell))) for cell in some_cells())
    read = [holds(cell, node) for cell in some_cells() for node in (0, 1, 2)]
    assert {gcd(*reads) for reads in read} == {0, 1, 2}
    live = [len(simple.terms) for simple in forms]
    used = [sum(name != "zero" for name in cell.operations) for cell in some_cells()]
    assert any(a < b for a, b in zip(live, used, strict=True))  # some operation reaches no output


def test_every_kind_of_cell_is_carried_into_its_stand_alone_network() -> None:
    """In float64, with weights that reach both ends of the activation: no rule of `form` is approximate."""
    torch.manual_seed(0)
    supernet = shaken(CellSupernet(SPACE, vocab_size=5)).eval()
    x, lengths = X[:, :48].double(), torch.tensor([48, 29])
    for cell in some_cells():
        alone, (mine, out) = supernet.extract(cell), supernet.activate(cell)(x, lengths)
        theirs, their_out = alone(x, lengths)
        assert torch.equal(out, their_out)
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=0, msg=f"{SPACE.to_vector(cell)}")


def test_extracted_networks_answer_as_the_trained_paths(trained: CellSupernet) -> None:
    for cell in some_cells()[::2]:
        alone = trained.extract(cell)
        torch.testing.assert_close(trained.activate(cell)(X, LENGTHS), alone(X, LENGTHS), atol=1e-6, rtol=1e-6)
        assert sum(p.numel() for p in alone.parameters()) == counts(cell, vocab_size=5).parameters
        assert alone.state_dict().keys() == build(cell, vocab_size=5).state_dict().keys()
        assert not alone.training


def test_different_forms_answer_differently_unless_the_norm_divides_it_out(trained: CellSupernet) -> None:
    answers = {}
    for cell in dict.fromkeys(map(SPACE.canonical, some_cells())):
        simple = form(cell)
        factor = max(gcd(*simple.output), 1)
        key = simple._replace(output=tuple(count // factor for count in simple.output))
        answers[cell] = key, trained.activate(cell)(X, LENGTHS)[0][0]
    alike = 0
    for (one, a), (other, b) in combinations(answers.values(), 2):
        assert ((a - b).abs().max() > 1e-4) == (one != other)
        alike += one == other
    assert alike > 0


def test_coming_back_gives_the_same_and_extracts_are_copies(trained: CellSupernet) -> None:
    first, second = map(SPACE.from_vector, ([[0, 1], [1, 0, 1], [3, 0, 0, 1]], [[2, 0], [4, 1, 0], [0, 1, 0, 0]]))
    weights = {name: (p.data_ptr(), p.detach().clone()) for name, p in trained.named_parameters()}
    before = trained.activate(first)(X, LENGTHS)[0]
    with torch.no_grad():
        for p in trained.extract(first).parameters():
            p.zero_()
    assert not torch.equal(trained.activate(second)(X, LENGTHS)[0], before)
    assert torch.equal(trained.activate(first)(X, LENGTHS)[0], before)
    trained.calibrate([])
    for name, p in trained.named_parameters():
        assert p.data_ptr() == weights[name][0] and torch.equal(p, weights[name][1])


def test_one_path_trains_what_its_canonical_cells_use_and_nothing_else() -> None:
    torch.manual_seed(0)
    supernet, recipe = CellSupernet(SPACE, vocab_size=5), Recipe(steps=3, batch=4, seed=2)
    start = copy.deepcopy(supernet.state_dict())
    history = train(supernet, examples(), recipe, frame_labels=5, backward=one_path)
    assert len(history) == 3 and all("frame" in parts for parts in history)
    used = set()
    for step in range(3):
        cell = some_path(SPACE, random.Random(f"path 2/{step}"))
        assert SPACE.canonical(cell) == cell
        used |= {f"nodes.{at}.{name}." for at, name in enumerate(cell.operations)}
    for name, tensor in supernet.state_dict().items():
        own = "nodes." not in name or any(part in name for part in used)
        assert torch.equal(tensor, start[name]) != own, name


def test_gradients_are_those_of_the_stand_alone_network() -> None:
    """Where a node reads its sum n times, the shared weight's gradient is n times the carried one's."""
    torch.manual_seed(0)
    supernet, batch = CellSupernet(SPACE, vocab_size=5).double(), collate(examples(), [0, 1, 2])
    batch.features = batch.features.double()
    for cell, factor in [("linear of 2 x", 2), ("convolution of 2 x", 2), ("branches change places", 1)]:
        cell = SPACE.from_vector(KINDS[cell])
        alone = supernet.extract(cell)
        for network in (supernet.activate(cell), alone):
            network.zero_grad()
            recognition_loss(network, None, batch, Recipe(), 0)[0].backward()
        torch.testing.assert_close(supernet.stem.weight.grad, alone.stem.weight.grad, atol=1e-9, rtol=0)
        for shared, single in zip(supernet.cells, alone.cells, strict=True):
            for node, layer in zip(nodes_of_terms(cell), single.operations, strict=True):
                weight, bias = shared.nodes[node - 1][cell.operations[node - 1]].parameters()
                own_weight, own_bias = layer.parameters()
                torch.testing.assert_close(weight.grad, factor * own_weight.grad, atol=1e-9, rtol=0)
                torch.testing.assert_close(bias.grad, own_bias.grad, atol=1e-9, rtol=0)


def test_cells_outside_the_space_are_refused() -> None:
    supernet = CellSupernet(CellSpace(("linear", "conv7")), vocab_size=5)
    assert set(supernet.cells[0].nodes[0]) == {"linear", "conv7"}
    for use in (supernet.activate, supernet.extract):
        with pytest.raises(BadInput, match=r"operations\[0\] is 'conv5'"):
            use(SPACE.from_vector([[1, 0], [0, 0, 0], [0, 0, 0, 0]]))


# ---- DARTS on the cell


def mixture(mixing=Softmax(), operations: tuple[str, ...] = OPERATIONS, seed: int = 0) -> MixedCellNetwork:  # noqa: B008
    torch.manual_seed(seed)
    return MixedCellNetwork(CellSpace(operations), vocab_size=5, mixing=mixing)


def prefer(network: MixedCellNetwork, cell: Cell, by: float = 200.0) -> MixedCellNetwork:
    with torch.no_grad():
        for choice, name in zip(network.mixed, cell.operations, strict=True):
            choice.alpha[network.space.operations.index(name)] += by
        for switch, skip in zip(chain(*network.switches), chain(*cell.skips), strict=True):
            switch.alpha[skip] += by
    return network


def draw_alphas(network: MixedCellNetwork) -> MixedCellNetwork:
    with torch.no_grad():
        for alpha in network.alphas:
            alpha.copy_(torch.randn(alpha.shape))
    return network


def test_the_mixture_is_the_formula() -> None:
    """sum_o (w_o + shift_o) op_o(y_{i-1}) + sum_j p_j y_j + beta y_{i-1}, the weights by hand from the alphas."""
    net = shaken(draw_alphas(mixture()))
    net.mixed[1].beta, net.mixed[2].shift = 0.7, torch.linspace(-0.2, 0.3, 6, dtype=torch.float64)
    x = 5 * torch.randn(1, 14, 64, dtype=torch.float64)
    seen = {}
    net.cells[0].register_forward_hook(lambda module, inputs, output: seen.update(x=inputs[0], y=output))
    net.states(X[:1, :56].double(), torch.tensor([56]))
    x, y = seen["x"][0].detach().numpy(), []
    y.append(x)
    for i, (choice, row) in enumerate(zip(net.mixed, net.switches, strict=True)):
        e = np.exp(choice.alpha.detach().numpy())
        own, weights = net.cells[0].nodes[i], e / e.sum() + (i == 2) * np.linspace(-0.2, 0.3, 6)
        total = sum(w * operate(name, own[name], y[-1]) for name, w in zip(OPERATIONS, weights, strict=True)
                    if name != "zero")  # fmt: skip
        for switch, before in zip(row, y, strict=True):
            absent, present = np.exp(switch.alpha.detach().numpy())
            total = total + present / (absent + present) * before
        y.append(total + 0.7 * y[-1] * (i == 1))
    np.testing.assert_allclose(seen["y"][0].detach().numpy(), y[-1], atol=1e-8)


def test_alphas_are_nine_and_shared_by_all_stacked_cells() -> None:
    net = mixture()
    assert [len(alpha) for alpha in net.alphas] == [6, 6, 6, *[2] * 6]
    assert not any(alpha.any() for alpha in net.alphas)
    assert all(torch.equal(choice.weights(), torch.full((6,), 1 / 6)) for choice in net.mixed)
    assert len(net.operation_weights()) + 9 == len(list(net.parameters()))
    assert not any(isinstance(p, nn.Parameter) and p.dim() == 1 and len(p) in (2, 6)
                   for cell in net.cells for p in cell.parameters())  # fmt: skip
    assert all(isinstance(cell, MixedCell) for cell in net.cells) and len(net.cells) == 3


def test_the_gradient_of_every_alpha_is_the_finite_difference() -> None:
    net = draw_alphas(mixture()).double()
    x, lengths = X[:, :48].double(), torch.tensor([48, 33])

    def loss() -> Tensor:
        return net(x, lengths)[0].square().mean()

    gradient = torch.autograd.grad(loss(), net.alphas)
    step, largest = 1e-6, max(own.abs().max() for own in gradient)
    for alpha, own in zip(net.alphas, gradient, strict=True):
        way = torch.randn_like(own)
        sides = []
        for sign in (1, -2):
            with torch.no_grad():
                alpha += sign * step * way
                sides.append(loss())
        with torch.no_grad():
            alpha += step * way
        assert abs((sides[0] - sides[1]) / (2 * step) - (own * way).sum()) < 1e-6 * largest
        assert own.abs().max() > 0


def test_alphas_that_have_decided_are_the_derived_network() -> None:
    for cell in some_cells()[::12]:
        net = prefer(shaken(mixture()), cell).eval()
        assert net.derive() == cell and net.derive() in SPACE
        mine, again, theirs = net(X.double(), LENGTHS), net(X.double(), LENGTHS), net.inherit()(X.double(), LENGTHS)
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=0)
        assert torch.equal(mine[0], again[0])
        kept = net.kept()
        assert kept.pop("skips") == sum(chain(*cell.skips)) / 6
        assert sum(kept.values()) == pytest.approx(1) and set(kept) == set(cell.operations)


def test_one_noisy_draw_serves_all_stacked_cells() -> None:
    net = draw_alphas(mixture(GumbelSoftmax(hard=True))).train()
    found = set()
    for seed in range(3):
        torch.manual_seed(seed)
        mine = net(X, LENGTHS)[0]
        torch.manual_seed(seed)  # the same draws, node by node: its operation, then its skips
        pairs = zip(net.mixed, net.switches, strict=True)
        drawn = [(OPERATIONS[c.weights().argmax()], tuple(int(s.weights().argmax()) for s in row)) for c, row in pairs]
        cell = Cell(tuple(name for name, _ in drawn), tuple(skips for _, skips in drawn))
        found.add(cell)
        alone = prefer(mixture(Softmax()), cell)
        alone.load_state_dict(net.state_dict() | {n: t for n, t in alone.state_dict().items() if "alpha" in n})
        torch.testing.assert_close(mine, alone.inherit()(X, LENGTHS)[0], atol=1e-5, rtol=0)
    assert len(found) > 1


@pytest.mark.parametrize("operations", [OPERATIONS, ("linear", "conv5")])
def test_gates_that_are_all_shut_still_give_a_cell_of_the_space(operations: tuple[str, ...]) -> None:
    net = mixture(Sigmoid(), operations)
    with torch.no_grad():
        for alpha in net.alphas:
            alpha.fill_(-1.0)
        net.mixed[2].alpha[1] = -0.5
    cell = net.derive()
    assert cell in net.space and not any(chain(*cell.skips))
    assert cell.operations == (("zero",) * 3 if "zero" in operations else ("linear", "linear", "conv5"))


@pytest.mark.parametrize("order", [1, 2])
def test_darts_searches_a_cell(order: int) -> None:
    net = mixture()
    step = DartsStep(net, examples(seed=9), order=order, alpha_rate=0.05, warmup=0.5)
    history = train(net, examples(), Recipe(steps=4, batch=4), frame_labels=5, backward=step)
    assert len(history) == 4 and torch.stack(step.history).shape == (4, 3, 6)
    assert torch.equal(step.history[1], torch.full((3, 6), 1 / 6)) and not torch.equal(step.history[3], step.history[1])
    assert all(alpha.abs().max() > 1e-3 for alpha in net.alphas)  # all nine learn, skips too
    assert net.derive() in SPACE
    copy.deepcopy(net)


def test_cures_and_the_gap_know_the_cell() -> None:
    net = mixture()
    cures = [AuxiliarySkip(1.0), Perturbation(0.3)]
    train(net, examples(), Recipe(steps=2, batch=4), backward=DartsStep(net, examples(seed=9), warmup=0.0, cures=cures))
    assert all(choice.beta == 0 and choice.shift is None for choice in net.mixed)
    batch = collate(examples(seed=9), [0, 1])
    gap = discretisation_gap(net, [batch])
    pair = (net.eval(), net.inherit().eval())
    losses = [recognition_loss(own, None, batch, Recipe(flat_start=0), 0)[1]["ctc"] for own in pair]
    assert [gap.mixed, gap.discrete] == pytest.approx(losses, rel=1e-5)


def test_a_predictor_takes_cells() -> None:
    cells = list(dict.fromkeys(some_cells()))
    latencies = [0.3 + counts(cell).macs / 1e7 for cell in cells]
    predictor = LatencyPredictor("mlp", space=SPACE).fit(cells, latencies)
    rows = np.stack([SPACE.encode(cell) for cell in cells[:5]])
    assert np.array_equal(predictor.predict(cells[:5]), predictor.predict(rows))
    assert predictor.predict(cells[0]).shape == (1,)
