"""Curvature against autograd's own Hessian; indicators against autograd written out, numpy and worked examples."""

from __future__ import annotations

import copy
import itertools
import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from network_data import examples
from torch import Tensor, nn

from speechnas_lab.errors import BadInput
from speechnas_lab.models import Recogniser, baseline, build
from speechnas_lab.models.baselines import BiLSTM, ConvNet
from speechnas_lab.space import SKIP, Architecture, Block, CellSpace, MobileConformerSpace, Stage, counts
from speechnas_lab.training import (
    INDICATORS,
    Batch,
    Recipe,
    collate,
    hessian_vector_product,
    hutchinson_trace,
    recognition_loss,
    score,
    top_eigenvalue,
    twice_differentiable,
)
from speechnas_lab.training.indicators import (
    grad_norm,
    hessian_top,
    hessian_trace,
    jacob_cov,
    jacobian_rank,
    macs,
    naswot,
    parameters,
    snip,
    synflow,
)

torch.set_num_threads(1)


def tiny_problem() -> tuple[list[Tensor], Tensor]:
    """Weights (3, 4) and (4,) in float64, an unused one, and the exact Hessian (17, 17) of `tiny_loss`."""
    torch.manual_seed(0)
    weights = [torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in ((3, 4), (4,), (1,))]
    blocks = torch.autograd.functional.hessian(lambda *w: tiny_loss(w), tuple(w.detach() for w in weights))
    sizes = [w.numel() for w in weights]
    rows = [torch.cat([b.reshape(n, m) for b, m in zip(row, sizes, strict=True)], 1)
            for row, n in zip(blocks, sizes, strict=True)]  # fmt: skip
    return weights, torch.cat(rows)


def tiny_loss(weights: list[Tensor]) -> Tensor:
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3)
    return ((x @ weights[0]).tanh() @ weights[1] - 1).square().mean() - 2 * weights[1].square().sum() + weights[2].sum()


def test_hessian_vector_products_are_the_columns_of_the_hessian() -> None:
    weights, hessian = tiny_problem()
    gradient = torch.autograd.grad(tiny_loss(weights), weights, create_graph=True)
    for row, unit in zip(hessian, torch.eye(17, dtype=torch.float64), strict=True):
        vector = [part.view_as(w) for part, w in zip(unit.split([12, 4, 1]), weights, strict=True)]
        product = hessian_vector_product(gradient, weights, vector)
        torch.testing.assert_close(torch.cat([p.flatten() for p in product]), row, rtol=1e-10, atol=1e-12)


def test_top_eigenvalue_is_the_largest_in_magnitude_with_its_sign() -> None:
    weights, hessian = tiny_problem()
    values = torch.linalg.eigvalsh(hessian)
    wanted = values[values.abs().argmax()]
    assert wanted < 0 < values.max()  # a plain maximum would be another one
    gradient = torch.autograd.grad(tiny_loss(weights), weights, create_graph=True)
    found = top_eigenvalue(lambda v: hessian_vector_product(gradient, weights, v), weights, tolerance=1e-9)
    assert found == pytest.approx(float(wanted), rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_top_eigenvalue_of_matrices(seed: int) -> None:
    """Also where +a and -a are equally large, where power iteration never settles, and in float32 at rank 3."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    for spectrum in (rng.normal(size=40), np.r_[5.0, -5.0001, rng.uniform(-1, 1, 38)], np.r_[3, -2, 1, np.zeros(37)]):
        matrix = torch.tensor(basis * spectrum @ basis.T, dtype=torch.float32)
        calls = []
        product = lambda v, m=matrix, c=calls: [c.append(0) or m @ v[0]]  # noqa: E731
        found = top_eigenvalue(product, [torch.zeros(40)], 40, 1e-6, random.Random(seed))
        assert found == pytest.approx(spectrum[np.abs(spectrum).argmax()], rel=1e-4)
    assert len(calls) <= 5  # rank 3: it stops when it is done


def test_top_eigenvalue_of_nothing_and_of_nonsense() -> None:
    assert top_eigenvalue(lambda v: [0 * v[0]], [torch.zeros(3)]) == 0.0
    assert np.isnan(top_eigenvalue(lambda v: [v[0] / 0], [torch.zeros(3)]))


def test_plain_ctc_has_torchs_values_and_gradients_and_a_second_derivative() -> None:
    torch.manual_seed(0)
    tokens, token_lengths = torch.tensor([[1, 1, 2], [3, 2, 0], [1, 0, 0], [0, 0, 0], [2, 2, 2]]), [3, 2, 1, 0, 3]
    scores = torch.randn(9, 5, 4, dtype=torch.float64).log_softmax(-1).requires_grad_()
    inputs = tokens, torch.tensor([9, 5, 1, 4, 4]), torch.tensor(token_lengths)  # the last has a frame too few
    theirs = F.ctc_loss(scores, *inputs, reduction="none")
    with twice_differentiable():
        mine = F.ctc_loss(scores, *inputs, reduction="none")
    assert theirs[4].isinf() and mine[4].isinf()
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    logits = torch.randn(9, 5, 4, dtype=torch.float64, requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        return F.ctc_loss(x.log_softmax(-1)[:, :4], *(i[:4] for i in inputs), reduction="none").sum()

    (wanted,) = torch.autograd.grad(loss(logits), logits)
    with twice_differentiable():
        (found,) = torch.autograd.grad(loss(logits), logits, create_graph=True)
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)
        vector = torch.randn_like(logits)
        (product,) = hessian_vector_product([found], [logits], [vector])
    up, down = (torch.autograd.grad(loss(logits + s * 1e-5 * vector), logits)[0] for s in (1, -1))
    torch.testing.assert_close(product, (up - down) / 2e-5, rtol=1e-5, atol=1e-7)


def test_attention_has_the_same_values_and_a_second_derivative() -> None:
    torch.manual_seed(0)
    q = torch.randn(1, 2, 5, 4, requires_grad=True)
    bias = torch.tensor([0.0, 0, 0, -1e4, -1e4]).expand(1, 1, 5, 5)
    fused = F.scaled_dot_product_attention(q, q, q, attn_mask=bias)
    with twice_differentiable():
        plain = F.scaled_dot_product_attention(q, q, q, attn_mask=bias)
    torch.testing.assert_close(plain, fused)
    gradient = torch.autograd.grad(plain.square().sum(), q, create_graph=True)
    assert hessian_vector_product(gradient, [q], [torch.ones_like(q)])[0].norm() > 0


def test_ctc_that_reduces_by_itself_is_refused() -> None:
    one = torch.tensor([[1]]), torch.tensor([3]), torch.tensor([1])
    with twice_differentiable(), pytest.raises(BadInput, match="reduction='none'"):
        F.ctc_loss(torch.zeros(3, 1, 2), *one)


@pytest.mark.parametrize("probes", [None, 400])
def test_trace_of_matrices(probes: int | None) -> None:
    torch.manual_seed(0)
    half = torch.randn(12, 12, dtype=torch.float64)
    matrix, like = half + half.T, [torch.zeros(3, 4, dtype=torch.float64)]
    product = lambda v: [(matrix @ v[0].flatten()).view(3, 4)]  # noqa: E731
    beside = matrix - matrix.diag().diag()
    error = 0.0 if probes is None else math.sqrt(2 / probes * beside.square().sum())
    found = hutchinson_trace(product, like, probes, random.Random(1))
    assert abs(found - matrix.trace()) <= 1e-12 + 3 * error < 0.5 * beside.norm()
    diagonal = hutchinson_trace(lambda v: [matrix.diag().view(3, 4) * v[0]], like, probes=1)
    assert diagonal == pytest.approx(float(matrix.trace()))  # nothing beside the diagonal: one probe is enough


class Tiny(Recogniser):
    """Two linear layers without bias, a rectifier between them or not."""

    def __init__(self, first: Tensor, second: Tensor, rectify=lambda x: x) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(*first.T.shape, bias=False), nn.Linear(*second.T.shape, bias=False)
        self.first.weight, self.head.weight = nn.Parameter(first), nn.Parameter(second)
        self.rectify = rectify

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(self.rectify(self.first(features)), lengths)]


def tiny(rectify=F.relu, bands: int = 4, hidden: int = 6, vocab: int = 3, seed: int = 0) -> Tiny:
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    return Tiny(draw(hidden, bands), draw(vocab, hidden), rectify)


def sounds(bands: int = 4, frames: int = 4) -> Batch:
    """Three utterances of one or two of two words, in 4, 3 and 4 frames."""
    g = torch.Generator().manual_seed(7)
    features = torch.randn(3, frames, bands, generator=g)
    lengths = torch.tensor([frames, frames - 1, frames])
    tokens, token_lengths = torch.tensor([[1, 2], [2, 0], [1, 1]]), torch.tensor([2, 1, 2])
    return Batch(features, lengths, tokens, token_lengths, None, ["a", "b", "c"])


def loss_by_hand(first: Tensor, second: Tensor) -> Tensor:
    """The mean over utterances of -log p(tokens) / tokens, p by going through all labellings of the frames."""
    batch, losses = sounds(), []
    numbers = (t.tolist() for t in (batch.lengths, batch.tokens, batch.token_lengths))
    for x, frames, tokens, count in zip(batch.features.double(), *numbers, strict=True):
        scores = ((x[:frames] @ first.T).relu() @ second.T).softmax(1)
        chance = sum(
            math.prod(scores[t, k] for t, k in enumerate(path))
            for path in itertools.product(range(3), repeat=frames)
            if [k for k, _ in itertools.groupby(path) if k] == tokens[:count]
        )
        losses.append(-chance.log() / count)
    return torch.stack(losses).mean()


def test_gradients_and_saliency_written_out() -> None:
    net = tiny()
    weights = [net.first.weight, net.head.weight]
    gradient = torch.autograd.grad(loss_by_hand(*weights), weights)
    norms = sum(math.sqrt(sum(x * x for x in g.flatten().tolist())) for g in gradient)
    saliency = sum((w * g).abs().sum().item() for w, g in zip(weights, gradient, strict=True))
    assert grad_norm(net, sounds()) == pytest.approx(norms, rel=1e-8)
    assert snip(net, sounds()) == pytest.approx(saliency, rel=1e-8)


def test_curvature_of_the_loss_written_out() -> None:
    net = tiny(hidden=3)
    weights = net.first.weight.detach(), net.head.weight.detach()
    (a, b), (c, d) = torch.autograd.functional.hessian(loss_by_hand, weights)
    hessian = torch.cat([torch.cat([a.reshape(12, 12), b.reshape(12, 9)], 1),
                         torch.cat([c.reshape(9, 12), d.reshape(9, 9)], 1)])  # fmt: skip
    values = torch.linalg.eigvalsh(hessian)
    assert hessian_trace(net, sounds(), probes=None) == pytest.approx(-float(hessian.trace()), rel=1e-8)
    assert hessian_top(net, sounds(), iterations=21) == pytest.approx(-float(values.abs().max()), rel=1e-6)
    deviation = math.sqrt(2 / 200 * (hessian - hessian.diag().diag()).square().sum())
    assert abs(hessian_trace(net, sounds(), probes=200) + float(hessian.trace())) < 3 * deviation


def test_curvature_reads_the_first_utterances() -> None:
    net, batch = tiny(), sounds()
    first = Batch(batch.features[:1], batch.lengths[:1], batch.tokens[:1], batch.token_lengths[:1], None, ["a"])
    for indicator in (hessian_top, hessian_trace):
        assert indicator(net, batch, utterances=1) == indicator(net, first) != indicator(net, batch)


@pytest.mark.parametrize("rectify", [lambda x: x, F.relu, lambda x: x.clamp(0.0, 2.0)])
def test_synflow_by_hand(rectify) -> None:
    """|W1| 1 = (3, 3); |W2| (3, 3) = 9; three frames: R = 27. Each of the two layers carries all of it."""
    net = Tiny(torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[-1.0, 2.0]]), rectify)
    assert synflow(net, sounds(bands=2, frames=3)) == pytest.approx(54.0, rel=1e-12)


class Attends(nn.Module):
    """Attention, then a norm that would undo the flow; evenly averaged, equal frames stay what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        values = x.unsqueeze(1)
        return self.norm(F.scaled_dot_product_attention(2 * values, 3 * values, values).squeeze(1))


def test_synflow_passes_norms_and_attention_evenly() -> None:
    net = Tiny(torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[-1.0, 2.0]]), Attends())
    assert synflow(net, sounds(bands=2, frames=3)) == pytest.approx(54.0, rel=1e-12)


@pytest.mark.parametrize("rectify", [F.relu, nn.ReLU(), torch.relu, F.gelu, nn.SiLU(), lambda x: x.clamp(0.0, 20.0)])
def test_naswot_by_numpy(rectify) -> None:
    net, batch = tiny(rectify), sounds()
    x = batch.features[:, :3].double().numpy()  # cut to the shortest
    on = (x @ net.first.weight.detach().numpy().T > 0).reshape(3, -1)
    kernel = [[np.sum(a == b) for b in on] for a in on]
    assert kernel[0][1] < kernel[0][0] == 18
    assert naswot(net, batch) == pytest.approx(np.log(np.linalg.det(kernel)), rel=1e-10)


def test_jacob_cov_by_numpy() -> None:
    net, batch = tiny(torch.tanh), sounds()
    whole = torch.autograd.functional.jacobian(
        lambda x: net(x, None)[0].sum((1, 2)), batch.features[:, :3].double()
    )  # (3, 3, T, F)
    rows = np.stack([whole[i, i].flatten().numpy() for i in range(3)])
    values = np.linalg.eigvalsh(np.corrcoef(rows)) + 1e-5
    assert jacob_cov(net, batch) == pytest.approx(-np.sum(np.log(values) + 1 / values), rel=1e-8)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_jacobian_rank_of_linear_networks(rank: int) -> None:
    net = tiny(lambda x: x, bands=7, hidden=rank, vocab=5)
    assert jacobian_rank(net, sounds(bands=7), probes=None, tolerance=1e-9) == rank
    assert jacobian_rank(net, sounds(bands=7), probes=3, tolerance=1e-9) == min(rank, 3)


def test_jacobian_rank_of_a_bent_network_by_numpy() -> None:
    net, batch = tiny(torch.tanh), sounds()
    whole = torch.autograd.functional.jacobian(lambda x: net(x, None)[0].mean(1), batch.features[:, :3].double())
    rows = np.concatenate([whole[i, :, i].reshape(3, -1).numpy() for i in range(3)])  # (B * V, T * F)
    for tolerance in (1e-9, 0.1, 0.3):
        found = jacobian_rank(net, batch, probes=None, tolerance=tolerance)
        assert found == np.linalg.matrix_rank(rows, tol=tolerance * np.linalg.norm(rows, 2))


def words(count: int = 3) -> Batch:
    return collate(examples(count, vocab=5), list(range(count)))


def sampled(seed: int) -> Recogniser:
    return build(MobileConformerSpace().sample(random.Random(seed)), vocab_size=5)


# Together: all kinds of block, both norms, all ways to halve time, a macaron, a pool at the end.
BLOCKS = (Block(3, 4, 1.5), Block(0, 2, 2.0))
SMALL = Architecture(4, (Stage(16, "none", BLOCKS), Stage(24, "conv", (Block(5, 0, 1.5),))), "swish", "batch", True, 8)
OTHER = Architecture(4, (Stage(16, "none", (Block(0, 4, 1.5), SKIP)), Stage(16, "pool", (Block(3, 0, 2.0),))),
                     "relu", "layer", False, 16)  # fmt: skip


def small(seed: int = 0, arch: Architecture = SMALL) -> Recogniser:
    torch.manual_seed(seed)
    return build(arch, vocab_size=5)


class Unknown(Recogniser):
    """A network that no formula knows."""

    def __init__(self, network: Recogniser) -> None:
        super().__init__()
        self.inner, self.head = network, network.head

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.inner.states(features, lengths)


@pytest.mark.parametrize("seed", range(4))
def test_counts_by_formula_and_by_what_is_run(seed: int) -> None:
    net, batch = sampled(seed), words()
    wanted = counts(net.arch, 80, 5, batch.features.shape[1])
    assert (parameters(net, batch), macs(net, batch)) == (wanted.parameters, wanted.macs)
    assert macs(Unknown(net), batch) == wanted.macs


def test_macs_of_jasper_by_hand() -> None:
    """72 frames, halved twice. Two strided layers, 4 blocks of two layers and a shortcut, the head's two layers."""
    net, batch = baseline("jasper", vocab_size=5), words()
    assert batch.features.shape[1] == 72
    entry = 36 * 80 * 96 * 7 + 18 * 96 * 96 * 7
    blocks = sum(18 * (2 * 96 * 96 * kernel + 96 * 96) for kernel in (7, 7, 9, 9))
    assert macs(net, batch) == entry + blocks + 18 * (96 * 96 + 96 * 5)


def test_only_shapes_are_enough_for_what_needs_no_weights() -> None:
    batch = words()
    with torch.device("meta"):
        hollow = small()
    whole = small()
    for name, indicator in INDICATORS.items():
        if indicator.needs_weights:
            with pytest.raises(BadInput, match=f"^{name} cannot score this network: "):
                indicator(hollow, batch)
        else:
            assert indicator(hollow, batch) == indicator(whole, batch) > 0


def test_other_weights_score_otherwise_where_weights_are_needed() -> None:
    found = [score(small(seed), words()) for seed in range(3)]
    differ = {name for name in INDICATORS if len({scores[name] for scores in found}) > 1}
    assert differ == {name for name, indicator in INDICATORS.items() if indicator.needs_weights}


def test_only_labelled_indicators_read_the_labels() -> None:
    batch, net = words(), small()
    other = copy.copy(batch)
    other.tokens = batch.tokens.flip(1)
    assert not torch.equal(other.tokens, batch.tokens)
    mine, theirs = score(net, batch), score(net, other)
    assert {n for n in mine if mine[n] != theirs[n]} == {n for n, i in INDICATORS.items() if i.needs_labels}


class Noisy(Unknown):
    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(F.dropout(x, 0.2, self.training), n) for x, n in self.inner.states(features, lengths)]


def test_nothing_is_touched_and_the_numbers_repeat() -> None:
    net = Noisy(small()).train()
    batch = words()
    loss = recognition_loss(net, None, batch, Recipe(), 0)[0]
    loss.backward()
    net.inner.stages[0].eval()
    net.head[1].weight.requires_grad_(False)

    def everything() -> list:
        tensors = [*net.state_dict().values(), *(p.grad for p in net.parameters()), *vars(batch).values()]
        return [
            *(copy.deepcopy(t) for t in tensors if t is not None),
            torch.get_rng_state(), random.getstate(),
            [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()],
            [sorted(vars(m)) for m in net.modules()],
        ]  # fmt: skip

    before = everything()
    with torch.no_grad():
        first = score(net, batch)
    after = everything()
    same = [torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in zip(before, after, strict=True)]
    assert all(same) and torch.is_grad_enabled()
    torch.manual_seed(99)
    assert score(net, batch) == first and all(math.isfinite(v) for v in first.values())


def networks() -> dict:
    found = {"small": small, "other": lambda: small(arch=OTHER)}
    found |= {
        "quartznet": lambda: ConvNet(80, 5, 16, [3, 5, 5], 2, separable=True),
        "jasper": lambda: ConvNet(80, 5, 16, [3, 5, 5], 2, separable=False),
        "lstm": lambda: BiLSTM(80, 5, 16, 2),
    }
    cells = list(CellSpace().all())
    return found | {f"cell {n}": lambda n=n: build(cells[n], vocab_size=5) for n in (5000, 9000)}


@pytest.mark.parametrize("name", networks())
def test_every_kind_of_network_is_scored(name: str) -> None:
    torch.manual_seed(0)
    found = score(networks()[name](), words())
    assert list(found) == list(INDICATORS)
    silent = {key for key, value in found.items() if not math.isfinite(value)}
    assert silent == ({"naswot"} if name == "lstm" else set())  # an LSTM has no rectifier
    assert found["synflow"] > 0 and found["grad_norm"] > 0 > found["hessian_top"]


def test_a_recipe_brings_its_own_loss() -> None:
    net, batch = small(), words()
    flat = recognition_loss(net.train(), None, batch, Recipe(), 0)[0]
    norms = sum(float(g.norm()) for g in torch.autograd.grad(flat, list(net.parameters())))
    found = score(net, batch, Recipe(), ["grad_norm"])
    assert found == {"grad_norm": pytest.approx(norms, rel=1e-5)} != score(net, batch, names=["grad_norm"])


def test_what_cannot_be_said_is_nan_and_stops_nothing() -> None:
    batch = words()
    batch.tokens, batch.token_lengths = torch.ones(3, 40, dtype=torch.long), torch.tensor([40, 2, 2])  # too many
    found = score(small(), batch)
    labelled = {name for name, indicator in INDICATORS.items() if indicator.needs_labels}
    assert {name for name, value in found.items() if math.isnan(value)} == labelled
    broken = small()
    with torch.no_grad():
        next(broken.parameters()).fill_(math.nan)
    found = score(broken, words())
    assert not any(math.isinf(value) for value in found.values())
    assert {"grad_norm", "snip", "synflow", "jacob_cov", "jacobian_rank", "hessian_trace", "hessian_top"} <= {
        name for name, value in found.items() if math.isnan(value)
    }
    twins = words()
    twins.features = twins.features[:1].repeat(3, 1, 1)
    assert math.isnan(score(small(), twins, names=["naswot"])["naswot"])


def test_a_single_utterance_is_enough() -> None:
    assert all(math.isfinite(value) for value in score(small(), words(1)).values())


def test_bad_input_names_the_indicator() -> None:
    batch = words()
    batch.features = batch.features[:, :, :70]
    with pytest.raises(BadInput, match="^snip cannot score this network: .*leave snip out"):
        score(small(), batch, names=["snip"])
    with pytest.raises(BadInput, match="no indicator is called 'grasp'; there are parameters, macs"):
        score(small(), words(), names=["grasp"])


def test_a_network_that_hears_nothing_is_scored() -> None:
    """A cell whose output is always the same: its Jacobians are zero, of rank 0, and correlate with nothing."""
    deaf = build(CellSpace().from_vector([[5, 0], [5, 0, 0], [5, 0, 0, 0]]), vocab_size=20)
    found = score(deaf, words(), names=["jacob_cov", "jacobian_rank", "synflow", "grad_norm"])
    assert math.isnan(found["jacob_cov"]) and found["jacobian_rank"] == 0 and found["synflow"] >= 0
