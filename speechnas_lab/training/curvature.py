"""The Hessian H of a loss without ever writing it down: products H v by double backward, and what they tell.

torch has no second derivative of CTC nor of fused attention: make the loss inside `with twice_differentiable():`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from scipy.linalg import eigh_tridiagonal
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from ..errors import BadInput

Product = Callable[[list[Tensor]], Sequence[Tensor]]
NEVER = -1e30  # log of a probability of zero; minus infinity would make its gradients NaN


def hessian_vector_product(
    gradient: Sequence[Tensor], parameters: Sequence[Tensor], vector: Sequence[Tensor]
) -> list[Tensor]:
    """H v = d(g . v)/dw, one tensor for each of `parameters` (Pearlmutter, 1994).

    gradient: g = dL/dw, made by `torch.autograd.grad(loss, parameters, create_graph=True)`. It keeps its graph, so
    that one gradient serves many vectors. vector: tensors of the parameters' shapes.

    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> g = torch.autograd.grad(w[0] ** 2 * w[1], w, create_graph=True)
    >>> hessian_vector_product(g, [w], [torch.tensor([1.0, 0.0])])  # first column of [[2 w1, 2 w0], [2 w0, 0]]
    [tensor([4., 2.])]
    """
    pairs = [(g, v) for g, v in zip(gradient, vector, strict=True) if g.requires_grad]
    if not pairs:  # a loss that is linear in its parameters
        return [torch.zeros_like(p) for p in parameters]
    slopes, directions = zip(*pairs, strict=True)
    found = torch.autograd.grad(slopes, parameters, directions, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if h is None else h for p, h in zip(parameters, found, strict=True)]


def top_eigenvalue(
    hvp: Product,
    like: Sequence[Tensor],
    iterations: int = 30,
    tolerance: float = 1e-3,
    rng: random.Random | None = None,
) -> float:
    """The eigenvalue of largest magnitude, with its sign, of a symmetric matrix known by its products (Lanczos, 1950).

    hvp(v): the products, v and result lists of the shapes of `like`. iterations: the most products to spend; as many
    as there are numbers in `like` make it exact. Earlier it stops where the residual |H x - value x| of the best unit
    vector x falls to `tolerance` times |value|: then an eigenvalue is that close. rng: draws the start (seed 0).
    NaN where a product is not finite.

    >>> matrix = torch.tensor([[0.0, 2.0], [2.0, -3.0]])
    >>> round(top_eigenvalue(lambda v: [matrix @ v[0]], [torch.zeros(2)]), 4)
    -4.0
    """
    seed = (rng or random.Random(0)).getrandbits(63)
    q = torch.randn(sum(t.numel() for t in like), generator=torch.Generator().manual_seed(seed)).to(_flat(like))
    q, found = q / q.norm(), float("nan")
    basis, diagonal, beside = [], [], []
    for _ in range(min(iterations, len(q))):
        basis.append(q)
        z = _flat(hvp(_shaped(q, like)))
        if not z.isfinite().all():
            return float("nan")
        diagonal.append(float(q @ z))
        known = torch.stack(basis)
        for _ in range(2):  # once is not enough in float32
            z = z - known.T @ (known @ z)
        values, vectors = eigh_tridiagonal(diagonal, beside)
        best = abs(values).argmax()
        found, length = float(values[best]), float(z.norm())
        if length * abs(vectors[-1, best]) <= tolerance * abs(found):
            break
        beside.append(length)
        q = z / length
    return found


def hutchinson_trace(
    hvp: Product, like: Sequence[Tensor], probes: int | None = 2, rng: random.Random | None = None
) -> float:
    """The trace of a symmetric matrix known by its products: the mean of v . H v over random signs v.

    hvp, like, rng: see `top_eigenvalue`. probes: how many v (Hutchinson, 1990; the variance is 2 / probes times the sum
    of the squares beside the diagonal); None goes through all unit vectors, which is exact and for small H.
    """
    size, kind = sum(t.numel() for t in like), _flat(like)
    if probes is None:
        vectors = iter(torch.eye(size).to(kind))
    else:
        generator = torch.Generator().manual_seed((rng or random.Random(0)).getrandbits(63))
        vectors = (torch.randint(2, (size,), generator=generator).to(kind) * 2 - 1 for _ in range(probes))
    return sum(float(v @ _flat(hvp(_shaped(v, like)))) for v in vectors) / (probes or 1)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def _shaped(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    return [part.view_as(t) for part, t in zip(vector.split([t.numel() for t in like]), like, strict=True)]


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """What runs inside has the same values and second derivatives too: CTC by plain sums, attention unfused."""
    with _Plain(), sdpa_kernel(SDPBackend.MATH):
        yield


class _Plain(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return (_plain_ctc if function is F.ctc_loss else function)(*args, **(kwargs or {}))


def _plain_ctc(scores, tokens, lengths, token_lengths, blank=0, reduction="mean", zero_infinity=False) -> Tensor:
    """`F.ctc_loss` without reduction: the forward sums of Graves et al. (2006), eq. 6 to 8, one frame after another.

    scores: log-probabilities (T, B, V); tokens (B, U); gives (B,).
    """
    if reduction != "none" or zero_infinity or tokens.dim() != 2:
        raise BadInput("here CTC has reduction='none', zero_infinity=False and tokens (B, U); reduce it yourself")
    frames, batch, _ = scores.shape
    labels = tokens.new_full((batch, 2 * tokens.shape[1] + 1), blank)  # blanks around each token
    labels[:, 1::2] = tokens
    emitted = scores.gather(2, labels.expand(frames, -1, -1))  # (T, B, 2U+1)
    jumps = F.pad((labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2]), (2, 0))[:, : labels.shape[1]]
    at_start = torch.arange(labels.shape[1]) < 2
    sums = [emitted[0].where(at_start, NEVER)]
    for frame in range(1, frames):
        stay = sums[-1]
        step, jump = (F.pad(stay, (n, 0), value=NEVER)[:, : labels.shape[1]] for n in (1, 2))
        sums.append(emitted[frame] + torch.stack([stay, step, jump.where(jumps, NEVER)]).logsumexp(0))
    rows = torch.arange(batch)
    ends = torch.stack(sums)[lengths - 1, rows]  # (B, 2U+1): the sums at each utterance's last frame
    last, before = ends[rows, 2 * token_lengths], ends[rows, (2 * token_lengths - 1).clamp(min=0)]
    losses = -torch.stack([last, before.where(token_lengths > 0, NEVER)]).logsumexp(0)
    return losses * torch.ones_like(losses).where(losses < -0.5 * NEVER, float("inf"))  # inf, and NaN in its gradient
