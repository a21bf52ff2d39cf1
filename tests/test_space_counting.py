"""Counts against hand and naive counts, published sizes; words and pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from math import ceil, prod
from random import Random

import pytest

from speechnas_lab import space
from speechnas_lab.errors import BadInput
from speechnas_lab.space import Architecture, MobileConformerSpace, counts


def naive(arch: Architecture, features: int, vocabulary: int, frames: int) -> tuple[int, int]:
    """(parameters, MACs) from a list of every weight's shape, stage by stage, as in the definition."""
    shapes: list[tuple[int, ...]] = []
    macs = 0

    def linear(time: int, inputs: int, outputs: int) -> None:
        nonlocal macs
        shapes.extend([(outputs, inputs), (outputs,)])
        macs += time * inputs * outputs

    def norm(width: int) -> None:
        shapes.extend([(width,), (width,)])

    def depthwise(time: int, width: int, kernel: int) -> None:
        nonlocal macs
        shapes.extend([(width, 1, kernel), (width,)])
        macs += time * width * kernel

    time, width = ceil(frames / arch.stem), arch.stages[0].width
    linear(time, arch.stem * features, width)
    norm(width)
    halvings = 0
    for stage in arch.stages:
        if stage.reduction != "none" or stage.width != width:
            if stage.reduction != "none":
                time, halvings = ceil(time / 2), halvings + 1
            if stage.reduction == "conv":
                depthwise(time, width, 3)
            linear(time, width, stage.width)
            width = stage.width
            norm(width)
        for block in stage.blocks:
            if not (block.kernel or block.heads):
                continue
            for _ in range(2 if arch.macaron else 1):
                norm(width)
                linear(time, width, round(block.expansion * width))
                linear(time, round(block.expansion * width), width)
            if block.heads:
                norm(width)
                linear(time, width, 3 * width)
                macs += block.heads * 2 * time * time * (width // block.heads)
                linear(time, width, width)
            if block.kernel:
                norm(width)
                linear(time, width, 2 * width)
                depthwise(time, width, block.kernel)
                norm(width)
                linear(time, width, width)
            if arch.macaron:
                norm(width)
    norm(width)
    linear(ceil(time / (arch.output_reduction / arch.stem / 2**halvings)), width, vocabulary)
    return sum(prod(shape) for shape in shapes), macs


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_counts_equal_a_naive_count_layer_by_layer(preset: str) -> None:
    rng, here = Random(6), MobileConformerSpace(preset)
    for _ in range(100):
        arch = here.sample(rng)
        frames = rng.randint(1, 500)
        got = counts(arch, input_dim=40, vocab_size=31, frames=frames)
        assert (got.parameters, got.macs) == naive(arch, 40, 31, frames)
        assert sum(p for p, _ in got.by_part.values()) == got.parameters
        assert sum(m for _, m in got.by_part.values()) == got.macs


def test_counts_by_hand() -> None:
    """Laptop's smallest: width 48, pool to 80 ms, one block with kernel 3 and hidden size 72."""
    got = counts(MobileConformerSpace("laptop").smallest(), input_dim=80, vocab_size=200, frames=200)
    assert got.by_part == {
        "stem": (320 * 48 + 48 + 96, 50 * 320 * 48),
        "transition": (48 * 48 + 48 + 96, 25 * 48 * 48),
        "feed-forward": (96 + 48 * 72 + 72 + 72 * 48 + 48, 25 * 2 * 48 * 72),
        "attention": (0, 0),
        "products": (0, 0),
        "convolution": (96 + 48 * 96 + 96 + 48 * 48 + 48, 25 * 3 * 48 * 48),
        "depthwise": (48 * 3 + 48 + 96, 25 * 48 * 3),
        "head": (96 + 48 * 200 + 200, 25 * 48 * 200),
    }
    assert (got.parameters, got.macs) == (42_416, 1_414_800)


def test_counts_refuses_nonsense() -> None:
    with pytest.raises(BadInput, match="frames"):
        counts(space.conformer("S"), frames=0)


@pytest.mark.parametrize(
    ("size", "depth", "width", "published"),
    [("S", 16, 144, 10.3), ("M", 16, 256, 30.7), ("L", 17, 512, 118.8)],
)
def test_conformers_lie_in_full_with_plausible_sizes(
    size: str, depth: int, width: int, published: float
) -> None:
    """The published totals hold an LSTM decoder, a convolutional stem and relative positions besides."""
    arch, here = space.conformer(size), MobileConformerSpace("full")
    assert arch in here and here.canonical(arch) == arch
    assert arch.depth == depth and {stage.width for stage in arch.stages} == {width}
    millions = counts(arch, vocab_size=1000).parameters / 1e6
    assert 23 * depth * width**2 / 1e6 < millions < published
    assert millions > 0.75 * published
    with pytest.raises(BadInput, match="'S', 'M', 'L'"):
        space.conformer("XL")


def test_words_name_every_block_and_the_frame_rates() -> None:
    words = space.describe(MobileConformerSpace("laptop").smallest())
    assert words.splitlines() == [
        "Mobile Conformer, 1 block, 0.04 M parameters, 1 M multiply-adds for 2 s of speech",
        "Stem: 4 frames of 10 ms become one of 40 ms, 48 channels.",
        "Halve time by average pooling: 80 ms frames, 48 channels.",
        "  Block 1: convolution (3 frames, 240 ms), feed-forward ×1.5.",
        "Activation: Swish. Inside the convolutions: LayerNorm.",
        "Head: one output each 80 ms.",
    ]


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_int8_bytes_are_those_of_a_quantised_file(tmp_path, norm: str) -> None:
    from speechnas_lab.hardware import export_onnx, quantize_dynamic, stored_bytes
    from speechnas_lab.models import build

    rng, here = Random(3), MobileConformerSpace()
    for arch in [here.smallest(), here.largest(), *(here.sample(rng) for _ in range(4))]:
        arch = replace(arch, norm=norm)
        whole = export_onnx(build(arch, vocab_size=37), tmp_path / "m.onnx")
        small = stored_bytes(quantize_dynamic(whole.path, tmp_path / "m8.onnx"))
        assert space.int8_bytes(arch, vocab_size=37) == pytest.approx(small, rel=0.01)
    with pytest.raises(BadInput):
        space.int8_bytes(arch, vocab_size=0)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("preset", ["laptop", "full"])
def test_pictures_are_well_formed_readable_and_described(preset: str) -> None:
    rng, here = Random(9), MobileConformerSpace(preset)
    svg = "{http://www.w3.org/2000/svg}"
    for arch in [here.sample(rng) for _ in range(30)] + [here.smallest(), here.largest()]:
        text = space.drawing(arch)
        assert text == space.drawing(arch)
        root = ElementTree.fromstring(text)
        names = root.attrib["aria-labelledby"].split()
        title, desc = root.find(svg + "title"), root.find(svg + "desc")
        assert [title.attrib["id"], desc.attrib["id"]] == names and desc.text == space.describe(arch)
        words = [element.text for element in root.iter(svg + "text")]
        assert sum(word.startswith("Block ") for word in words) == arch.depth
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for rect in root.iter(svg + "rect"):
            x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
            assert min(x, y) >= 0 and x + w <= width and y + h <= height
    inks = {element.attrib["fill"] for element in root.iter(svg + "text")}
    grounds = {rect.attrib["fill"] for rect in root.iter(svg + "rect")} - {"#2f8f78"}  # no words on the combs
    chips = [ground for ground in grounds if ground not in ("#fcfbf7", "#ffffff")]
    for ink, ground in [(i, g) for i in inks for g in ("#fcfbf7", "#ffffff")] + [
        ("#1d2530", g) for g in chips
    ]:
        assert (luminance(ground) + 0.05) / (luminance(ink) + 0.05) >= 4.5  # WCAG 2, AA
