"""`speechnas profile`: the latency of architectures on a device at hand, far away (by a kit), or estimated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .commands import read_architecture, writable
from .errors import BadInput
from .files import write_text

if TYPE_CHECKING:
    from .hardware import Profile


def profile(arguments: argparse.Namespace) -> None:
    """Latencies on a device at hand or, by a kit, on one far away."""
    if arguments.list:
        return list_devices()
    if arguments.out:
        writable(Path(arguments.out))
    if arguments.kit:
        return write_kit(arguments)
    found = from_kit(arguments) if arguments.result else measured(arguments)
    print(f"{found.device.name}: {found.device.processor}, {found.device.words}")
    if found.repeats:
        print(f"medians of {found.repeats} rounds of {found.burst} calls, after {found.warmup} calls to warm up; "
              "three profiles in a row lie within the spread 19 times of 20")
    if found.conditions:
        print(found.conditions.words)
    for warning in found.warnings:
        print(f"warning: {warning}")
    if arguments.out:
        write_text(Path(arguments.out), found.to_json())
        print(f"{len(found.rows)} {'estimated ' * found.device.estimated}latencies in {arguments.out}")
        return
    if found.device.estimated:  # one number, without a spread
        print(f"{'architecture':14}{'latency_estimated_ms':>21}")
        for row in found.rows:
            print(f"{row.arch.id:14}{row.latency_ms:21.3f}")
        return
    print(f"{'architecture':14}{'latency_ms':>11}{'p95_ms':>9}{'spread':>9}")
    for row in found.rows:
        print(f"{row.arch.id:14}{row.latency_ms:11.3f}{row.p95_ms:9.3f}{row.spread:9.1%}")


def measured(arguments: argparse.Namespace) -> Profile:
    """A profile of a device at hand, or of one that is estimated."""
    from .hardware import ESTIMATED, at_hand, estimated_profile
    from .hardware import profile as measure

    known = {device.name: device for device in at_hand()}
    name = arguments.device or "ort"
    if name not in known and name not in ESTIMATED:
        raise BadInput(f"no device is {name!r}: at hand are {', '.join(known)}, estimated {', '.join(ESTIMATED)}")
    archs = chosen(arguments, arguments.count)
    return measure(archs, device=known[name]) if name in known else estimated_profile(archs, name)


def from_kit(arguments: argparse.Namespace) -> Profile:
    """A profile of the device that a kit's result is of."""
    from .hardware import read_result

    path = Path(arguments.result)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path} ({error}): give the result.json that run_kit.py wrote") from None
    return read_result(text, arguments.device or Path(arguments.out or path).stem)


def write_kit(arguments: argparse.Namespace) -> None:
    """A folder that measures far away. Of its graphs, three are the ends that every search needs."""
    from .hardware import write_kit as write

    folder = Path(arguments.kit)
    kit = write(chosen(arguments, max(1, arguments.count - 3)), folder)
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{len(kit['graphs'])} graphs in {folder}, {size:.1f} MB: copy it to the other machine, where "
          f"{folder / 'README.txt'} says what to do")


def list_devices() -> None:
    """Every device, at hand or estimated."""
    from .hardware import ESTIMATED, at_hand

    for device in at_hand():
        print(f"{device.name:20} at hand    {device.words} ({device.processor})")
    for name, device in ESTIMATED.items():
        print(f"{name:20} estimated  {device.words}")


def chosen(arguments: argparse.Namespace, count: int) -> list:
    """The architectures that `profile` is about."""
    from .steps import profiled

    return [read_architecture(Path(arguments.arch))] if arguments.arch else profiled(arguments.seed, count)
