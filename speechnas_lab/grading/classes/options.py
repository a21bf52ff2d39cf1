"""The options of a class: what a run leaves out is taken from the run before, and said."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from ...files import read_json
from .store import KEPT_IN

NAMES = ("students", "due", "late_percent", "late_days", "grace", "time", "memory")
DROPPED = ("none", "", 0)  # what takes an option back


def merged(arguments: argparse.Namespace, out: Path) -> tuple[dict[str, Any], str]:
    """(the options of this run, a line on those that are as before, or "").

    An option of `arguments` that is None was left out. Files are kept with their whole path.
    """
    before = (read_json(out / KEPT_IN) or {}).get("options")
    before = before if isinstance(before, dict) else {}
    found, again = {}, []
    for name in NAMES:
        value = getattr(arguments, name)
        if value is None and name in before:
            value = before[name]
            again += [f"--{name.replace('_', '-')}", shlex.quote(_shown(value))]
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        if value is not None and value not in DROPPED:
            found[name] = os.path.abspath(value) if isinstance(value, str) and Path(value).is_file() else value
    return found, f"as before: {' '.join(again)}" if again else ""


def _shown(value: Any) -> str:
    """A value as somebody would write it: a file from here, not from the root."""
    if isinstance(value, str) and os.path.isabs(value):
        near = os.path.relpath(value)
        return value if near.startswith("..") else near
    return f"{value:g}" if isinstance(value, float) else str(value)
