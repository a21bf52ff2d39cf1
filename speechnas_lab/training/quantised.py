"""Numbers of few bits, imitated in float32: rounded on the way forward, as if they had not been on the way back.

    q = clip(round(x / s) + z, low, high)        x^ = s (q - z)            (Jacob et al., 2018, equations 1 and 12)

q is a whole number of b bits, s the scale (a step, in the unit of x), z the zero point (the q that means 0). A layer
adds up products of whole numbers, as ONNX Runtime does: float32 holds them exactly up to 2^24, so the sums are equal.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadInput
from ..models.layers import Linear
from ..models.network import Recogniser

Limits = tuple[float, float]


@dataclass(frozen=True)
class Scheme:
    """How a network's linear layers are stored and fed. Bits from 2 to 16; None leaves float32.

    weights: bits of the matrices, symmetric around 0. per_channel: a scale for each output, else one for the matrix.
    inputs: bits of what a layer is fed, from its smallest to its largest number, one scale for the whole tensor.
    """

    weights: int | None = 8
    inputs: int | None = 8
    per_channel: bool = True

    def __post_init__(self) -> None:
        for bits in (self.weights, self.inputs):
            if bits is not None:
                levels(bits)


def levels(bits: int, symmetric: bool = True) -> tuple[int, int]:
    """The smallest and the largest q: -127 and 127 for 8 bits where symmetric (-128 is left out), else 0 and 255."""
    if not isinstance(bits, int) or not 2 <= bits <= 16:
        raise BadInput(f"bits is {bits!r}; give a whole number from 2 to 16")
    top = 2 ** (bits - 1) - 1
    return (-top, top) if symmetric else (0, 2**bits - 1)


def grid(low: Tensor, high: Tensor, bits: int = 8, symmetric: bool = True) -> tuple[Tensor, Tensor]:
    """Scale and zero point for numbers from `low` to `high`, tensors of one shape; both come in that shape.

    0 is always hit exactly, so the range is widened to hold it. Symmetric: s = max |x| / 127 and z = 0. Else
    s = (high - low) / 255 and z = round(-low / s). A range of nothing but 0 has the scale 1.
    """
    first, last = levels(bits, symmetric)
    low, high = low.detach().clamp(max=0), high.detach().clamp(min=0)
    scale = torch.maximum(-low, high) / last if symmetric else (high - low) / last
    scale = torch.where(scale < torch.finfo(scale.dtype).tiny, torch.ones_like(scale), scale)
    return scale, torch.zeros_like(scale) if symmetric else (first - low / scale).round().clamp(first, last)


class StraightThrough(torch.autograd.Function):
    """x as whole steps from zero, q - z. Rounding has the slope 0 almost everywhere; backwards it is taken for the
    identity (Bengio et al., 2013), which leaves the slope 1 / s of x / s.

    What was clipped gets no gradient: there, moving x moves nothing. The scale counts as a constant.
    """

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, zero: Tensor, first: int, last: int) -> Tensor:
        q = (x / scale).round() + zero
        ctx.save_for_backward((q >= first) & (q <= last), scale)
        return q.clamp(first, last) - zero

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None, None, None, None]:
        inside, scale = ctx.saved_tensors
        return slope * inside / scale, None, None, None, None


def steps(
    x: Tensor, bits: int = 8, *, symmetric: bool = True, axis: int | None = None, limits: Limits | None = None
) -> tuple[Tensor, Tensor]:
    """x as whole numbers of steps from zero, in its own shape, and the width of a step; see `fake_quantise`."""
    if limits is not None:
        low, high = (x.new_tensor(limit) for limit in limits)
    elif axis is None:
        low, high = x.detach().aminmax()
    else:
        others = [d for d in range(x.dim()) if d != axis % x.dim()]
        low, high = x.detach().amin(others, keepdim=True), x.detach().amax(others, keepdim=True)
    scale, zero = grid(low, high, bits, symmetric)
    return StraightThrough.apply(x, scale, zero, *levels(bits, symmetric)), scale


def fake_quantise(
    x: Tensor, bits: int = 8, *, symmetric: bool = True, axis: int | None = None, limits: Limits | None = None
) -> Tensor:
    """`x` with every number moved to the nearest of the 2^bits - 1 or 2^bits that can be stored; the same shape.

    axis: each slice along it has a scale of its own (0 for the outputs of a linear layer); None: one for all.
    limits: the range, measured elsewhere; numbers beyond it are clipped. Left out: that of x, which clips nothing.
    """
    whole, scale = steps(x, bits, symmetric=symmetric, axis=axis, limits=limits)
    return whole * scale


class QuantisedLinear(Linear):
    """A linear map of rounded weights and inputs: sums of whole numbers, times both scales, plus the float32 bias."""

    scheme: Scheme
    limits: Limits | None = None  # of the inputs; None: measured anew in each call

    def forward(self, x: Tensor) -> Tensor:
        scheme, weight, scale = self.scheme, self.weight, self.weight.new_ones(1)
        if not (scheme.weights or scheme.inputs):
            return super().forward(x)
        if scheme.weights:
            weight, step = steps(weight, scheme.weights, axis=0 if scheme.per_channel else None)
            scale = scale * step.flatten()  # one, or one for each output
        if scheme.inputs:
            x, step = steps(x, scheme.inputs, symmetric=False, limits=self.limits)
            scale = scale * step
        y = F.linear(x, weight) * scale
        return y if self.bias is None else y + self.bias


def fake_quantised(
    network: Recogniser, scheme: Scheme | None = None, limits: Mapping[str, Limits] | None = None
) -> Recogniser:
    """A copy of `network` whose linear layers compute as if stored by `scheme` (int8 if left out).

    Its `state_dict` has the same names and values. limits: the range of each linear layer's inputs, by the layer's
    name, such as `observe` gives: a static grid. Left out, the grid follows the inputs of each call: a dynamic one, in
    which neighbours in a batch, and padding, change an utterance's answer. Convolutions, norms, the products of
    attention and recurrent layers stay as they are.
    """
    own = copy.deepcopy(network)
    for name, module in own.named_modules():
        if type(module) in (Linear, nn.Linear, QuantisedLinear):
            if limits is not None and name not in limits:
                raise BadInput(f"no range is known for the inputs of {name}; observe the same network")
            module.__class__ = QuantisedLinear
            module.scheme, module.limits = scheme or Scheme(), limits[name] if limits else None
    return own


def in_float(network: Recogniser) -> Recogniser:
    """A copy of what `fake_quantised` gave with its full float32 weights in use: what is exported."""
    own = copy.deepcopy(network)
    for module in own.modules():
        if type(module) is QuantisedLinear:
            module.__class__ = Linear
    return own


@torch.no_grad()
def observe(network: Recogniser, features: Iterable[Tensor]) -> dict[str, Limits]:
    """The smallest and largest input of each linear layer over utterances (T, F), heard one by one, by layer name."""
    own, found = copy.deepcopy(network).eval(), {}

    def watch(name: str) -> None:
        def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
            low, high = (value.item() for value in inputs[0].aminmax())
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])

        layers[name].register_forward_pre_hook(note)

    layers = {name: m for name, m in own.named_modules() if isinstance(m, nn.Linear)}
    for name in layers:
        watch(name)
    for clip in features:
        own(clip[None].float(), torch.tensor([len(clip)]))
    if not found:
        raise BadInput("calibration needs one utterance at least; a dozen of the training split is a start")
    return found
