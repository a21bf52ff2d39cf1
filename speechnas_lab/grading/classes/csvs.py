"""CSV files that people write: UTF-8, with commas, or with semicolons as spreadsheets save them in many countries."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import BadInput
from .clean import clean


def rows(path: Path, what: str, option: str = "") -> list[tuple[int, list[str]]]:
    """(line, values) of each line that is not empty. what: the file, in words. option: that it was given with.

    BadInput where the file cannot be read.
    """
    without = f"; {option} none does without" if option else ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
        return [(reader.line_num, clean(row)) for row in reader if any(value.strip() for value in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot read {what} {path} ({why}): give a CSV in UTF-8{without}") from None


def records(path: Path, what: str, needed: Sequence[str], example: str, option: str = "") -> Iterator[
    tuple[int, dict[str, str]]
]:
    """(line, column -> value) of each line below the header. BadInput where a needed column is missing."""
    (_, header), *lines = rows(path, what, option) or [(1, [])]
    names = [name.strip() for name in header]
    if missing := [name for name in needed if name not in names]:
        raise BadInput(f"{path} has no column {missing[0]}: it needs {', '.join(needed)}, such as {example}")
    for line, values in lines:
        padded = [*values, *[""] * (len(names) - len(values))]
        yield line, {name: value.strip() for name, value in zip(names, padded, strict=False)}


def _delimiter(text: str) -> str:
    """What stands between the names of the header: a comma or a semicolon."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    return ";" if head.count(";") > head.count(",") else ","
