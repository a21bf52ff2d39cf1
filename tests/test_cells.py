"""The cell space against its own formula in numpy, the published numbers, and the built networks."""

from __future__ import annotations

import random
import time
from collections import Counter
from functools import cache
from itertools import permutations
from math import gcd

import numpy as np
import pytest
import torch
from torch import nn

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import Profile, export_onnx, profile, quick_graph, verify
from speechnas_lab.models import build
from speechnas_lab.models.cells import CellLayers
from speechnas_lab.reproduce.cells import cell_classes
from speechnas_lab.space import (
    Cell,
    CellSpace,
    MobileConformerSpace,
    cell_space,
    counts,
    describe,
    drawing,
    form,
    from_json,
    int8_bytes,
)
from speechnas_lab.space import cell_symmetry as symmetry

torch.set_num_threads(1)
SPACE = CellSpace()
EVERY = list(SPACE.all())
WIDTH, FRAMES = 3, 12
OFFSETS = {  # frames that an operation looks at, written down from the benchmark's padding: 4 ahead, the rest behind
    "linear": [0],
    "conv5": [0, 1, 2, 3, 4],
    "conv5d2": [-4, -2, 0, 2, 4],
    "conv7": [-2, -1, 0, 1, 2, 3, 4],
    "conv7d2": [-8, -6, -4, -2, 0, 2, 4],
}
TWICE = SPACE.from_vector([[0, 1], [5, 1, 0], [0, 0, 1, 1]])
ONCE = SPACE.from_vector([[0, 0], [5, 1, 0], [0, 0, 1, 0]])


def sampled(count: int, seed: int = 0) -> list[Cell]:
    rng = random.Random(seed)
    return [SPACE.sample(rng) for _ in range(count)]


# ---- the formula, with weights for each node: an oracle that simplifies nothing

Weights = tuple[np.ndarray, np.ndarray]  # (taps, C, C) and (C,)


def operate(name: str, x: np.ndarray, weights: Weights) -> np.ndarray:
    """a(operation(x)), x (T, C). A frame outside is 0."""
    matrix, bias = weights
    if name == "constant":
        return np.broadcast_to(bias.clip(0, 20), x.shape)
    padded = np.zeros((FRAMES + 12, x.shape[1]))
    padded[8:-4] = x
    taps = [padded[8 + at : 8 + at + FRAMES] for at in OFFSETS[name]]
    return (np.concatenate(taps, axis=1) @ matrix.reshape(-1, x.shape[1]) + bias).clip(0, 20)


def by_formula(cell: Cell, weights: dict[int, Weights], x: np.ndarray) -> np.ndarray:
    """y_i = op_i(y_{i-1}) + sum of s_ij y_j, word for word."""
    y = [x]
    for node, (name, skips) in enumerate(zip(cell.operations, cell.skips, strict=True), start=1):
        own = np.zeros_like(x) if name == "zero" else operate(name, y[-1], weights[node])
        y.append(own + sum(s * before for s, before in zip(skips, y, strict=True)))
    return y[-1]


def by_form(simple: symmetry.Form, weights: list[Weights], x: np.ndarray) -> np.ndarray:
    values = [x]
    for term, own in zip(simple.terms, weights, strict=True):
        read = sum((n * v for n, v in zip(term.reads, values, strict=True)), np.zeros_like(x))
        values.append(operate(term.operation, read, own))
    return sum((n * v for n, v in zip(simple.output, values, strict=True)), np.zeros_like(x))


@cache
def drawn(name: str, place: int) -> Weights:
    """Weights that an operation has at a place of a form, large enough for both ends of the activation."""
    rng = np.random.default_rng([len(name), sum(name.encode()), place])
    taps = len(OFFSETS.get(name, [0]))
    return rng.normal(size=(taps, WIDTH, WIDTH)) / taps**0.5, rng.uniform(0.5, 3, WIDTH)


def node_reads(cell: Cell) -> dict[int, np.ndarray]:
    """How often each node's operation reads (x, op_1, op_2, op_3), nothing simplified."""
    unit = np.eye(4, dtype=int)
    values, reads = [unit[0]], {}
    for node, (name, skips) in enumerate(zip(cell.operations, cell.skips, strict=True), start=1):
        reads[node] = values[-1]
        values.append((name != "zero") * unit[node] + sum(s * v for s, v in zip(skips, values, strict=True)))
    return reads


def carried(cell: Cell, simple: symmetry.Form, weights: list[Weights]) -> dict[int, Weights]:
    """Weights for the nodes of `cell`, so that it computes what its form computes with `weights`.

    A node that reads its sum f times too often has weights 1 / f. A linear node's bias undoes the constants that it
    reads. What reaches no output has any weights.
    """
    found, output = symmetry.expanded(cell)
    orders = permutations(symmetry.alive(found, output))
    order = next(o for o in orders if symmetry._in_order(found, o) and symmetry._relabelled(found, output, o) == simple)
    constants = [node for node, term in found.items() if term.operation == "constant"]
    mine = {node: drawn(name, 9) for node, name in enumerate(cell.operations, start=1) if name != "zero"}
    reads = node_reads(cell)
    for node, (matrix, bias) in sorted(zip(order, weights, strict=True), key=lambda pair: pair[0]):
        name, counted, undone = cell.operations[node - 1], reads[node].copy(), np.zeros(WIDTH)
        if name == "linear":
            for k in constants:
                undone, counted[k] = undone + counted[k] * mine[k][1].clip(0, 20), 0
        matrix = drawn(name, 9)[0] if node in constants else matrix / gcd(*counted.tolist())
        mine[node] = matrix, bias - undone @ matrix.sum(0)
    return mine


@cache
def forms() -> dict[Cell, symmetry.Form]:
    return {cell: form(cell) for cell in EVERY}


X = np.random.default_rng(0).normal(size=(FRAMES, WIDTH)) * 5


def weights_of(simple: symmetry.Form) -> list[Weights]:
    return [drawn(term.operation, place) for place, term in enumerate(simple.terms)]


def test_every_cell_computes_what_its_form_computes() -> None:
    """Soundness, of all 13,824: so any two members of a class can compute the same."""
    right = {simple: by_form(simple, weights_of(simple), X) for simple in set(forms().values())}
    wrong = np.zeros(len(EVERY))
    for row, (cell, simple) in enumerate(forms().items()):
        got = by_formula(cell, carried(cell, simple, weights_of(simple)), X)
        wrong[row] = np.abs(got - right[simple]).max()
    assert wrong.max() < 1e-9, SPACE.to_vector(EVERY[wrong.argmax()])


def test_different_forms_compute_different_functions() -> None:
    """Completeness: all forms, with weights shared by operation and place, differ pairwise in their outputs."""
    different = list(dict.fromkeys(forms().values()))
    outputs = np.array([by_form(simple, weights_of(simple), X).ravel() for simple in different])
    order = np.lexsort(outputs.round(6).T)
    gaps = np.abs(np.diff(outputs[order], axis=0)).max(axis=1)
    assert len(different) == 8892 and gaps.min() > 1e-5


def test_the_ceiling_keeps_multiples_apart() -> None:
    """What 2 linear(x) reaches, no weights of linear(x) do."""
    twice, once = (symmetry.Form((symmetry.Term("linear", (1,)),), (0, n)) for n in (2, 1))
    assert {once, twice} <= set(forms().values())
    large = [(1e3 * np.ones((1, WIDTH, WIDTH)), np.full(WIDTH, 1e6))]
    assert by_form(twice, large, X).max() == 40 and by_form(once, large, X).max() == 20


# ---- numbers


def test_the_published_hash_gives_the_published_numbers_in_a_second() -> None:
    symmetry._graph_hash.cache_clear()
    cell_space._representatives.cache_clear()
    start = time.process_time()
    found = Counter(SPACE.published_id(cell) for cell in EVERY)
    ours = {SPACE.canonical(cell) for cell in EVERY}
    assert time.process_time() - start < 2.5  # 0.7 s on a quiet core; the rest is for a slow one
    assert len(EVERY) == SPACE.cardinality() == len(set(EVERY)) == 13_824
    assert len(ours) == 8_892 and len(found) == 8_242
    assert [size for _, size in found.most_common(3)] == [812, 812, 160]
    assert SPACE.published_id(TWICE) == SPACE.published_id(ONCE)


def test_two_parallel_branches_are_counted_by_burnside() -> None:
    """x -> op_1 and op_3, both into the output: S2 swaps them, so of 25 pairs (25 + 5) / 2 = 15 are different."""
    skips = [((a,), (1, 0), (b, 1, c)) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    names = symmetry.OPERATIONS[:-1]
    cells = [Cell((one, "zero", two), s) for one in names for two in names for s in skips]
    counted = Counter(form(cell).output[0] for cell in {SPACE.canonical(cell) for cell in cells})
    assert counted == {0: 15, 1: 15, 2: 15, 3: 15}  # x itself is in the output 0 to 3 times


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([[1, 0], [1, 0, 0], [5, 0, 0, 0]], [[5, 0], [5, 0, 0], [5, 0, 0, 0]], True),  # nothing gets through
        ([[0, 0], [5, 1, 0], [1, 0, 1, 0]], [[1, 0], [5, 1, 0], [0, 0, 1, 0]], True),  # branches change places
        ([[5, 1], [5, 1, 1], [0, 0, 0, 0]], [[0, 0], [5, 0, 1], [5, 0, 0, 1]], True),  # linear(2 x) is linear(x)
        ([[5, 0], [1, 0, 0], [5, 0, 0, 1]], [[5, 0], [5, 0, 0], [0, 0, 0, 0]], True),  # any operation of 0
        ([[5, 0], [1, 1, 0], [0, 0, 0, 0]], [[0, 0], [5, 0, 1], [5, 0, 0, 1]], True),  # a bias takes a constant up
        ([[5, 0], [1, 1, 0], [3, 0, 0, 0]], [[5, 1], [5, 0, 1], [3, 0, 0, 0]], False),  # at the edges it does not
        ([[5, 1], [5, 1, 1], [5, 0, 0, 1]], [[5, 1], [5, 0, 1], [5, 0, 0, 1]], False),  # 2 x and x
        ([[0, 1], [5, 1, 0], [0, 0, 1, 1]], [[0, 0], [5, 1, 0], [0, 0, 1, 0]], False),  # hash: same
    ],
)
def test_what_is_the_same(one: list, other: list, same: bool) -> None:
    a, b = SPACE.from_vector(one), SPACE.from_vector(other)
    assert (SPACE.canonical(a) == SPACE.canonical(b)) is same
    assert np.array_equal(SPACE.encode(a), SPACE.encode(b)) is same


SMALLER = [None, ("linear", "conv5"), ("conv7", "zero"), ("zero",), ("linear", "conv5", "conv7d2")]


@pytest.mark.parametrize("operations", SMALLER)
def test_canonical_forms_are_inside_idempotent_and_cheapest(operations: tuple | None) -> None:
    space = CellSpace(operations)
    classes = space.classes()
    assert sum(map(len, classes.values())) == space.cardinality() == len(list(space.all()))
    assert len(classes) == len({forms()[cell] for cell in space.all()})
    for cell, members in classes.items():
        assert cell in space and cell in members and space.canonical(cell) == cell
        assert {space.canonical(member) for member in members} == {cell}


# ---- moves


def test_moves_stay_inside_and_mutation_changes_the_form() -> None:
    for space in (SPACE, CellSpace(("linear", "conv5"))):
        rng = random.Random(0)
        for _ in range(1500):
            a, b = space.sample(rng), space.sample(rng)
            kept = a.to_json()
            child, crossed = space.mutate(a, rng), space.crossover(a, b, rng)
            assert child in space and crossed in space and a.to_json() == kept
            assert space.canonical(child) != space.canonical(a)
            genes = zip(space.to_genes(crossed), space.to_genes(a), space.to_genes(b), strict=True)
            assert all(own in parents for own, *parents in genes)
    again = [[SPACE.mutate(cell, random.Random(1)) for cell in sampled(9)] for _ in range(2)]
    assert again[0] == again[1]


def test_a_neighbourhood_may_hold_only_sums_of_the_input() -> None:
    space = CellSpace(("zero",))
    cell = Cell(("zero",) * 3, ((0,), (0, 0), (0, 0, 0)))
    assert sorted(form(found).output for found in space.classes()) == [(n,) for n in range(5)]
    assert space.canonical(space.mutate(cell, random.Random(0))) != cell


def test_genes_are_the_cell() -> None:
    for space in (SPACE, CellSpace(("conv5",)), CellSpace(("conv7", "zero"))):
        genes = space.genes()
        assert all(len(gene.options) > 1 for gene in genes) and len({gene.name for gene in genes}) == len(genes)
        assert np.prod([len(gene.options) for gene in genes]) == space.cardinality()
        rng = random.Random(2)
        for cell in [space.sample(rng) for _ in range(50)]:
            assert space.from_genes(space.to_genes(cell)) == cell
        with pytest.raises(BadInput, match="allowed: 0 to 1"):
            space.from_genes([*space.to_genes(cell)[:-1], 2])
        with pytest.raises(BadInput, match="genes"):
            space.from_genes([0])


def test_text_and_vectors_come_back() -> None:
    for cell in sampled(100):
        assert from_json(cell.to_json()) == Cell.from_json(cell.to_json()) == cell
        assert SPACE.from_vector(SPACE.to_vector(cell)) == cell
    arch = MobileConformerSpace().sample(random.Random(0))
    assert from_json(arch.to_json()) == arch
    assert repr(CellSpace(("zero", "linear"))) == "CellSpace(operations=('linear', 'zero'))"


GOOD = Cell(("linear", "conv5", "zero"), ((1,), (0, 1), (0, 0, 1)))
BAD = [
    (Cell(("linear", "conv4", "zero"), GOOD.skips), r"operations\[1\]"),
    (Cell(("linear", "conv5"), GOOD.skips), "operations"),
    (Cell(GOOD.operations, ((1,), (0, 2), (0, 0, 1))), r"skips\[1\]"),
    (Cell(GOOD.operations, ((1,), (0, 1), (0, 1))), r"skips\[2\]"),
    (Cell(GOOD.operations, ((1,), (0, 1))), "skips"),
]


@pytest.mark.parametrize(("cell", "field"), BAD)
def test_impossible_cells_name_the_field(cell: Cell, field: str) -> None:
    for use in (lambda c: build(c, vocab_size=9), lambda c: Cell.from_json(c.to_json()), SPACE.canonical, quick_graph):
        with pytest.raises(BadInput, match=f"{field} is .*allowed"):
            use(cell)
    assert cell not in SPACE


def test_other_bad_input_is_refused() -> None:
    for text in ("[]", "{", '{"operations": ["linear", "zero", "zero"]}', GOOD.to_json()[:-1] + ',"width":3}'):
        with pytest.raises(BadInput):
            from_json(text)
    for vector in ([[0, 1]], [[9, 0], [0, 0, 0], [0, 0, 0, 0]], 7, [[-1, 0], [0, 0, 0], [0, 0, 0, 0]], [[]] * 3):
        with pytest.raises(BadInput):
            SPACE.from_vector(vector)
    with pytest.raises(BadInput, match=r"operations\[1\]"):
        CellSpace(("linear", "zero")).validate(GOOD)
    for operations in ((), ("conv9",)):
        with pytest.raises(BadInput, match="allowed"):
            CellSpace(operations)


# ---- networks


def with_weights(layers: CellLayers, weights: list[Weights]) -> CellLayers:
    with torch.no_grad():
        for layer, (matrix, bias) in zip(layers.operations, weights, strict=True):
            named = dict(layer.named_parameters())
            taps = torch.tensor(matrix)  # (taps, in, out)
            for name, value in named.items():
                if name.endswith("bias"):
                    value.copy_(torch.tensor(bias))
                else:
                    value.copy_(taps.permute(2, 1, 0).reshape(value.shape))
    return layers


def test_networks_compute_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechnas_lab.models.cells.GROUP", WIDTH)
    mask, x = torch.ones(1, FRAMES, 1, dtype=torch.float64), torch.tensor(X)[None]
    for cell in [*sampled(150, seed=4), TWICE, ONCE, Cell(("zero",) * 3, ((0,), (0, 0), (0, 0, 0)))]:
        simple = form(cell)
        layers = with_weights(CellLayers(cell, WIDTH).double(), weights_of(simple))
        right = by_formula(cell, carried(cell, simple, weights_of(simple)), X)
        np.testing.assert_allclose(layers(x, mask)[0].detach().numpy(), right, atol=1e-9)


def multiplications(network: nn.Module, frames: int) -> int:
    total = 0

    def watch(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features
        elif isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(watch) for layer in network.modules()]
    network(torch.randn(1, frames, 80), torch.tensor([frames]))
    for hook in hooks:
        hook.remove()
    return total


def test_counts_equal_the_built_network() -> None:
    for cell in sampled(40, seed=1):
        network = build(cell, vocab_size=37)
        found = counts(cell, 80, 37, frames=83)
        assert found == counts(SPACE.canonical(cell), 80, 37, frames=83)
        assert found.parameters == sum(p.numel() for p in network.parameters())
        assert found.macs == multiplications(network, 83)
        matrices = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        saved = sum(3 * layer.weight.numel() - 5 * layer.out_features for layer in matrices)
        assert int8_bytes(cell, 80, 37) == 4 * found.parameters - saved


@pytest.mark.parametrize("cell", sampled(5, seed=2), ids=lambda cell: cell.id)
def test_padding_and_neighbours_never_change_an_answer(cell: Cell) -> None:
    torch.manual_seed(0)
    network = build(cell, vocab_size=30).eval()
    noise = torch.randn(3, 400, 80)
    for frames in (1, 4, 7, 8, 9, 63, 97, 288):
        alone, length = network(noise[:1, :frames], torch.tensor([frames]))
        assert length.dtype == torch.int64 and length.item() == alone.shape[1] == -(-frames // 8)
        beside, lengths = network(noise, torch.tensor([frames, 400, 288], dtype=torch.int32))
        assert lengths.tolist() == [length.item(), 50, 36]
        torch.testing.assert_close(beside[0, : length.item()], alone[0], atol=2e-5, rtol=1e-4)


def test_gradients_against_finite_differences() -> None:
    torch.manual_seed(0)
    mask = torch.tensor([1.0, 1, 1, 1, 0]).double().view(1, 5, 1)
    x = torch.randn(1, 5, 8, dtype=torch.float64, requires_grad=True)
    for vector in ([[0, 1], [2, 1, 0], [1, 0, 1, 1]], [[5, 0], [1, 0, 0], [4, 1, 0, 1]]):
        layers = CellLayers(SPACE.from_vector(vector), 8).double()
        assert torch.autograd.gradcheck(lambda x, layers=layers: layers(x, mask) * mask, x)
        for weight in layers.parameters():
            assert torch.autograd.gradcheck(lambda w, layers=layers: layers(x.detach(), mask) * mask, weight)


def test_members_of_a_class_are_one_network_and_others_are_not() -> None:
    members = next(m for m in SPACE.classes().values() if len(m) > 5 and len(form(m[0]).terms) == 2)
    answers = []
    for cell in (*members[:3], TWICE, ONCE):
        torch.manual_seed(0)
        answers.append(build(cell, vocab_size=9)(torch.ones(1, 40, 80), torch.tensor([40]))[0])
    assert torch.equal(answers[0], answers[1]) and torch.equal(answers[0], answers[2])
    assert not torch.allclose(answers[3], answers[4])


# ---- files, devices, pictures


NOTHING, CONSTANT = Cell(("zero",) * 3, ((0,), (0, 0), (0, 0, 0))), SPACE.from_vector([[5, 0], [1, 0, 0], [3, 1, 0, 1]])


@pytest.mark.parametrize("cell", [*sampled(8, seed=3), TWICE, NOTHING, CONSTANT], ids=lambda cell: cell.id)
def test_the_quick_graph_computes_the_network(cell: Cell) -> None:
    torch.manual_seed(0)
    network = build(cell, vocab_size=30).eval()
    for value in network.state_dict().values():
        value += 0.1 * torch.rand_like(value)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    assert verify(quick_graph(cell, vocab_size=30, weights=weights), network, tolerance=1e-5) <= 1e-5


def test_a_cell_is_exported_and_profiled(tmp_path) -> None:
    written = export_onnx(build(TWICE, vocab_size=30), tmp_path / "cell.onnx")
    assert written.exporter == "direct" and written.largest_error < 1e-4
    assert abs(written.stored_bytes - 4 * counts(TWICE, 80, 30).parameters) < 200
    found = profile([TWICE, ONCE, TWICE], repeats=2, progress=False)
    assert found.archs == [TWICE, ONCE] and Profile.from_json(found.to_json()) == found


@pytest.mark.slow
def test_torchs_exporter_takes_a_cell(tmp_path) -> None:
    assert export_onnx(build(GOOD, vocab_size=30), tmp_path / "cell.onnx", exporter="torch").largest_error < 1e-4


def test_cells_are_described_and_drawn_alike_if_they_are_the_same() -> None:
    assert "2 × input" in describe(TWICE) and "2 × input" not in describe(ONCE)
    for cell in sampled(20, seed=5):
        same = SPACE.canonical(cell)
        assert describe(cell) == describe(same)
        assert drawing(cell).startswith("<svg") and "<title" in drawing(cell) and "<desc" in drawing(cell)


def test_the_two_kinds_of_classes_are_told_apart(tmp_path, capsys) -> None:
    found = cell_classes(tmp_path, 1)
    assert found["by_function"]["classes"] == 8_892 and found["published"]["largest"] == [812, 812, 160]
    pairs = {(SPACE.published_id(cell), simple) for cell, simple in forms().items()}
    several = Counter(name for name, _ in pairs), Counter(simple for _, simple in pairs)
    assert found["published_classes_of_several_functions"] == sum(n > 1 for n in several[0].values())
    assert found["functions_of_several_published_classes"] == sum(n > 1 for n in several[1].values())
    assert "A + linear(A), A = linear(input)" in capsys.readouterr().out
