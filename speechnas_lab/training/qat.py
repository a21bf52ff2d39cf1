"""Quantisation-aware training: a network is tuned while its weights and inputs are rounded, so that it expects it.

Ours, to be read. For use, ONNX Runtime writes the tuned network as it writes any. torchao 0.18 beside torch 2.14 tunes
too (`QATConfig` with two `IntxFakeQuantizeConfig`) and gives plain weights back, with a grid for each frame instead of
one for the call. What does not work there: the int8 recipe as a whole is refused ("Unexpected base config"), its int8
network cannot be written as ONNX (no `aten._int_mm`), and its PT2E way leaves most of our linear layers in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..models.network import Recogniser
from .loop import train
from .quantised import Scheme, fake_quantised, in_float
from .recipe import Recipe

if TYPE_CHECKING:
    from ..speech import Examples

# A tenth of the rate that trained the network: it is to settle beside its old place. No flat start, no frame loss: both
# help a network to find the words, and would pull one that has found them away.
TUNING = Recipe(steps=200, rate=4e-4, flat_start=0.0, frame_weight=0.0)


def tune_quantised(
    network: Recogniser,
    examples: Examples,
    recipe: Recipe = TUNING,
    scheme: Scheme | None = None,
    tick: Callable[[int, dict[str, float]], None] | None = None,
) -> Recogniser:
    """A copy of a trained `network`, tuned with its linear layers fake-quantised by `scheme` (int8 if left out).

    Its weights are float32, and any quantiser of the same scheme may store them. `Scheme(None, None)` tunes without
    rounding: the control without which nobody knows whether rounding or more training made the difference.
    """
    rounded = fake_quantised(network, scheme)
    train(rounded, examples, recipe, tick=tick)
    return in_float(rounded).eval()
