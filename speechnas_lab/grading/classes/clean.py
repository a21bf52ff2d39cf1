"""Texts that strangers chose, made fit for files, pages and terminals."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Control characters but tab and line end, further ends of lines, marks that turn the direction of reading, halves of
# surrogate pairs.
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(value: Any) -> Any:
    r"""A text, or lists and dicts of texts, composed (NFC) and without characters that no file or terminal should get.

    They are written as escapes, so that what differed still differs.

    >>> clean(["a\x1b[2Jb", {"c": "e\u0301\ud800"}])
    ['a\\x1b[2Jb', {'c': 'é\\ud800'}]
    """
    if isinstance(value, str):
        return UNFIT.sub(lambda found: ascii(found[0])[1:-1], unicodedata.normalize("NFC", value))
    if isinstance(value, list | tuple):
        return type(value)(map(clean, value))
    if isinstance(value, dict):
        return {clean(name): clean(entry) for name, entry in value.items()}
    return value


def encodable(text: str) -> str:
    """Program text that a file can hold: all of it, but for halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode()
