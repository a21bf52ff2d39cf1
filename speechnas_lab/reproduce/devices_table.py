"""Winners against devices: the square table, whether its diagonal wins, and what winners have that others lack."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from scipy.stats import t as student

from ..hardware import Device, Sizes, measure, open_on, quick_graph, threads_kept
from ..hardware.conditions import Watch
from ..space import Architecture, counts

PASSES, REPEATS = 10, 10
PART = 0.10  # a number that is so much above, or below, every other winner's is worth a word


def square_table(
    winners: Mapping[str, Architecture], devices: Sequence[Device], sizes: dict[str, int], passes: int = PASSES
) -> dict[str, Any]:
    """Every winner on every device, all in one run, taking turns, in `passes` passes with everything opened anew.

    table_ms[winner][device]: median over the passes and the spread (largest / smallest - 1). ratio[device][winner]:
    time against the device's own winner, mean over the passes with its 95% interval: compared pass by pass.
    """
    watch, names = Watch(), [device.name for device in devices]
    taken = {(row, column): [] for row in winners for column in names}
    with threads_kept(*devices):
        for _ in range(passes):
            calls = {}
            for row, arch in winners.items():
                for device in devices:
                    calls[row, device.name] = open_on(device, arch, Sizes(**sizes))
            for cell, timing in measure(calls, REPEATS).items():
                taken[cell].append(timing.median_ms)
    conditions = watch.stop()
    table = {row: {column: _cell(taken[row, column]) for column in names} for row in winners}
    ratio = {column: {row: against(taken[row, column], taken[column, column]) for row in winners if row != column}
             for column in names if column in winners}  # fmt: skip
    return {"table_ms": table, "ratio": ratio, "passes": passes, "conditions": conditions.to_dict(),
            "not_quiet": conditions.warning()}  # fmt: skip


def _cell(times: Sequence[float]) -> dict[str, float]:
    return {"latency_ms": float(np.median(times)), "spread_relative": max(times) / min(times) - 1}


def against(mine: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """mine / theirs, paired: the geometric mean and its 95% interval by Student's t."""
    logs = np.log(np.asarray(mine) / np.asarray(theirs))
    half = float(student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs))) if len(logs) > 1 else 0.0
    mean = float(logs.mean())
    return {"ratio": math.exp(mean), "low": math.exp(mean - half), "high": math.exp(mean + half)}


def beside(found: dict[str, Any]) -> list[str]:
    """The table as lines of text, and for each column whether its own winner is the fastest, and beyond the spread."""
    table, names = found["table_ms"], list(found["devices"])
    lines = [f"{'winner for':14}" + "".join(f"{name:>18}" for name in names)]
    for row, cells in table.items():
        shown = (f"{cells[name]['latency_ms']:8.3f} ms ±{cells[name]['spread_relative'] / 2:5.1%}" for name in names)
        lines.append(f"{row:14}" + "".join(shown))
    ids = {name: found["winners"][name]["id"] for name in table}
    for column, others in found["ratio"].items():
        rivals = {row: told for row, told in others.items() if ids[row] != ids[column]}
        same = [row for row in others if ids[row] == ids[column]]
        words = [f"the winner for {', '.join(same)} is the same network"] if same else []
        won = [row for row, told in rivals.items() if told["low"] > 1]
        lost = [row for row, told in rivals.items() if told["high"] < 1]
        even = [row for row in rivals if row not in won + lost]
        for what, rows in (("beats the winner for", won), ("loses to the winner for", lost),
                           ("is, within the spread, as fast as the winner for", even)):  # fmt: skip
            if rows:
                parts = [f"{row} ({rivals[row]['ratio']:.2f} times its time)" for row in rows]
                words.append(f"{what} {', '.join(parts)}")
        lines.append(f"On {column} its own winner: {'; '.join(words)}.")
    return lines


# What a network is made of -------------------------------------------------------------------------------------------
def numbers(arch: Architecture) -> dict[str, float]:
    """What can be more or less."""
    blocks = [block for stage in arch.stages for block in stage.blocks if not block.is_skip]
    total, kinds = counts(arch), Counter(block.kind for block in blocks)
    return {
        "blocks": len(blocks), "blocks with attention": kinds["attention"] + kinds["both"],
        "blocks with convolution": kinds["convolution"] + kinds["both"],
        "million multiplications": total.macs / 1e6, "thousand parameters": total.parameters / 1e3,
        "channels in the widest stage": max(stage.width for stage in arch.stages),
        "operators in its graph": len(onnx.load_from_string(quick_graph(arch)).graph.node),
    }  # fmt: skip


def choices(arch: Architecture) -> set[str]:
    """What is there or not."""
    blocks = [block for stage in arch.stages for block in stage.blocks if not block.is_skip]
    found = {f"{arch.activation} activations", f"{arch.norm} normalisation in its convolutions",
             f"frames of {10 * arch.stem} ms at the start",
             "two half-step feed-forward layers in a block" if arch.macaron else "one feed-forward layer in a block"}
    found |= {f"a reduction by {'pooling' if stage.reduction == 'pool' else 'convolution'} before stage {number}"
              for number, stage in enumerate(arch.stages, 1) if stage.reduction != "none"}  # fmt: skip
    found |= {f"kernels of {block.kernel}" for block in blocks if block.kernel}
    found |= {f"attention with {block.heads} heads" for block in blocks if block.heads}
    found |= {f"feed-forward layers {block.expansion:g} times as wide" for block in blocks}
    return found | {f"a stage of width {stage.width}" for stage in arch.stages}


def contrasts(winners: Mapping[str, Architecture]) -> list[str]:
    """For each winner, a sentence on what it alone has or lacks, and of what it has the most or the fewest."""
    have, much = ({name: ask(arch) for name, arch in winners.items()} for ask in (choices, numbers))
    lines = []
    for arch in dict.fromkeys(winners.values()):
        names = [name for name, another in winners.items() if another == arch]
        others = [other for other, another in winners.items() if another != arch]
        name, told = names[0], ", ".join(names)
        if not others:
            lines.append(f"{told}: the same network as every other winner.")
            continue
        alone = have[name] - set().union(*(have[other] for other in others))
        lacks = set.intersection(*(have[other] for other in others)) - have[name]
        parts = [f"it alone has {_list(alone)}"] if alone else []
        parts += [f"it alone lacks {_list(lacks)}"] if lacks and len(others) > 1 else []
        parts += [words for key in much[name] if (words := _extreme(key, much[name][key],
                                                                    [much[other][key] for other in others]))]
        lines.append(f"{told}: {'; '.join(parts) or 'nothing that no other winner has'}.")
    return lines


def _extreme(key: str, mine: float, others: Sequence[float]) -> str:
    word = "most" if mine > (1 + PART) * max(others) else "fewest" if mine < (1 - PART) * min(others) else ""
    if not word:
        return ""
    span = f"{min(others):,.0f}" + (f" to {max(others):,.0f}" if max(others) - min(others) >= 1 else "")
    return f"the {word} {key} ({mine:,.0f} against {span})"


def _list(items: set[str]) -> str:
    return ", ".join(sorted(items))
