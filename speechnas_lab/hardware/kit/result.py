"""The result of a kit that came back from a far machine, looked at closely, as a profile."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from ...errors import BadInput
from ...space import Architecture, Cell, from_json
from ..conditions import Conditions
from ..device import Device
from ..levels import together
from ..profiling import Profile, Row
from ..runtimes import Sizes
from ..timing import Timing
from .script import FORMAT, checksum
from .writing import kit_graph

AGAIN = "copy result.json again, or run run_kit.py again"


def read_result(text: str, name: str) -> Profile:
    """The profile in a kit's result.json, of the device `name`. BadInput says in one line why it is not taken.

    Refused are files that are cut, edited or of something else, results of other graphs than this library writes, and
    rows that are missing or hold impossible times. The checksum finds damage; it is no signature.
    """
    data = _parsed(text)
    kit, settings, machine = data["kit"], data["settings"], data["machine"]
    try:
        sizes = Sizes(*(_whole(kit[key], key) for key in ("input_dim", "vocab_size", "frames")))
        turns, burst, warmup, passes, threads = (
            _whole(settings[key], key) for key in ("repeats", "burst", "warmup", "passes", "threads")
        )
        archs, once = _archs(kit["graphs"], sizes), [list(group) for group in kit["groups"]]
        device = Device(name, _text(machine["processor"]), _whole(machine["logical_cores"], "logical_cores"), threads,
                        _text(machine["onnxruntime"]), "")  # fmt: skip
        conditions = Conditions.from_dict(data["conditions"])
        groups = [_group(group, turns, burst, warmup) for group in data["groups"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"the result is incomplete ({type(error).__name__}: {error}); {AGAIN}") from None
    plan = once * passes if len(groups) == passes * len(once) else []
    asked = {name for group in once for name in group}
    if not plan or [list(group) for group in groups] != plan or asked != set(archs):
        raise BadInput(f"the result lacks rows, or holds rows that its kit does not ask for; {AGAIN}")
    found = together(groups, [name for name in once[0] if all(name in group for group in once)])
    rows = tuple(Row(arch, t.median_ms, t.p95_ms, t.spread) for arch, t in ((a, found[i]) for i, a in archs.items()))
    told = [timing.warning for timing in found.values()] + [conditions.warning(threads)]
    warnings = tuple(dict.fromkeys(filter(None, told)))
    return Profile(device, sizes.input_dim, sizes.vocab_size, sizes.frames, turns * passes, burst, warnings, rows,
                   warmup, conditions)  # fmt: skip


def _parsed(text: str) -> dict[str, Any]:
    """The file as plain values, whole and unchanged."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadInput(f"the result is cut off or no JSON ({error}); {AGAIN}") from None
    needed = {"format", "kit", "machine", "settings", "groups", "conditions", "checksum"}
    if not isinstance(data, dict) or set(data) != needed:
        raise BadInput("this is not the result of a profile kit; give the result.json that run_kit.py wrote")
    if data["format"] != FORMAT:
        raise BadInput(f"the result is of a kit in format {data['format']!r}, read here is {FORMAT}: make a new kit")
    if checksum(data) != data["checksum"]:
        raise BadInput(f"the result was edited or damaged, its checksum is wrong; {AGAIN}")
    return data


def _archs(graphs: list[dict], sizes: Sizes) -> dict[str, Architecture | Cell]:
    """id -> architecture. The graph that was measured must be the one that this library writes for it."""
    found = {}
    for graph in graphs:
        arch = from_json(json.dumps(graph["arch"]))
        model, _ = kit_graph(arch, sizes)
        if arch.id != graph["id"] or hashlib.sha256(model).hexdigest() != graph["sha256"]:
            raise BadInput(f"the result is of another kit: its graph of {graph['id']} is not the one that this version "
                           "writes; make a new kit and measure again")  # fmt: skip
        found[arch.id] = arch
    return found


def _group(rows: list[dict], turns: int, burst: int, warmup: int) -> dict[str, Timing]:
    found = {}
    for row in rows:
        times = [row[key] for key in ("median_ms", "p95_ms", "spread_relative")]
        good = all(isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
                   and value >= 0 for value in times)  # fmt: skip
        if not good or times[0] == 0 or times[1] == 0:
            raise BadInput(f"the result's row {row['id']} has times {times}; they must be finite and above 0; {AGAIN}")
        found[row["id"]] = Timing(*map(float, times), turns, burst, warmup, "")
    return found


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or value < 1:
        raise BadInput(f"the result's {name} is {value!r}; it must be a whole number from 1; {AGAIN}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadInput(f"the result names no processor or version but {value!r}; {AGAIN}")
    return value
