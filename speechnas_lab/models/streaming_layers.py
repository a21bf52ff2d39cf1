"""The parts of a block in streaming form: each takes the past that it needs and gives back what the next step needs.

They run the weights of `layers` on (B, T, C). One code serves both ways of running: the whole utterance is one long
step whose past is empty.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .layers import Attention, Convolution, Depthwise
from .streaming_plan import FORBIDDEN


class ValidDepthwise(Depthwise):
    """One filter a channel along time, without padding: (B, T, C) -> (B, (T - kernel) // stride + 1, C).

    The last input that output i sees is input i * stride + kernel - 1. Put before the input what came earlier, and the
    filter is causal.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weights()
        image = x.transpose(1, 2).unsqueeze(2)  # (B, C, 1, T), channels-last memory, no copy
        image = F.conv2d(image, weight, bias, stride=(1, self.stride), groups=x.shape[-1])
        return image.squeeze(2).transpose(1, 2)


def convolve(layer: Convolution, x: Tensor, mask: Tensor | None, past: Tensor) -> tuple[Tensor, Tensor]:
    """The convolution module on (B, T, C) after `past`, the kernel - 1 frames before it; the past of the next step."""
    batch, frames, width = x.shape
    value, gate = layer.gate(layer.norm(x)).view(batch, frames, width, 2).unbind(-1)
    joined = torch.cat([past, value * torch.sigmoid(gate)], 1)  # (B, kernel - 1 + T, C)
    x = layer.depthwise(joined)
    kept = joined[:, frames:]
    return layer.out(layer.activation(layer.inner[layer.choice](x, mask))), kept


def attend(layer: Attention, x: Tensor, past: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of (B, T, C) to itself and to `past`, the keys and values (2, B, H, L, C / H) of the L frames before.

    bias: (H, T, L + T), added to the scores. Also gives the keys and values of the last L frames.
    """
    batch, frames, width = x.shape
    qkv = layer.qkv(layer.norm(x)).view(batch, frames, layer.heads, width // layer.heads, 3)
    query, fresh = qkv.permute(4, 0, 2, 1, 3).contiguous().split([1, 2])  # (1 or 2, B, H, T, C / H)
    known = torch.cat([past, fresh], 3)  # (2, B, H, L + T, C / H)
    mixed = F.scaled_dot_product_attention(query[0], known[0], known[1], attn_mask=bias[None])
    kept = known[:, :, :, known.shape[3] - past.shape[3] :]
    return layer.out(mixed.transpose(1, 2).reshape(batch, frames, width)), kept


def visible(frames: int, chunk: int, left: int, held: int = 0, seen: int = 0) -> Tensor:
    """Who sees whom: bool (frames, held + frames), True where the frame of the row may look at the frame of the column.

    Frame i belongs to chunk i // chunk. It sees its whole chunk and the `left` frames before that chunk. The first
    `held` columns are frames of earlier steps, of which only the last `seen` are real.
    """
    row, column = torch.arange(frames)[:, None], torch.arange(-held, frames)[None, :]
    start = row // chunk * chunk
    return (column < start + chunk) & (column >= start - left) & (column >= -seen)


def slopes(heads: int) -> Tensor:
    """How much each head minds distance, (heads,): 2^(-8/H), 2^(-16/H), ..., 2^-8 (Press et al., 2022, section 3)."""
    return 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)


def distance_bias(seen: Tensor, heads: int) -> Tensor:
    """What is added to the scores: -slope * distance in frames where `seen` (T, L + T) is True, else FORBIDDEN.

    ALiBi (Press, Smith and Lewis, 2022): positions that depend on distance alone, so that they hold for any length.
    Gives float32 (heads, T, L + T).
    """
    frames, columns = seen.shape
    row, column = torch.arange(frames)[:, None], torch.arange(frames - columns, frames)[None, :]
    bias = -slopes(heads)[:, None, None] * (row - column).abs()
    return bias.masked_fill(~seen, FORBIDDEN)
