"""Curvature against autograd's own Hessian; indicators against autograd written out, numpy and worked examples."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from speechnas_lab.errors import BadInput
from speechnas_lab.training import hessian_vector_product, top_eigenvalue, twice_differentiable

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
