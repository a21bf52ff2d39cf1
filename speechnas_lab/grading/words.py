"""A learner's values in a message."""

from __future__ import annotations

from typing import Any


def short(value: Any, most: int = 60) -> str:
    """`value` as Python writes it, cut after `most` characters; also where it holds a number too long to be written.

    >>> short([1, 2, 3]), short("speech" * 20, 9)
    ('[1, 2, 3]', "'speec...")
    >>> short((10**5000,))
    'a tuple with a number of more than 4,300 digits'
    """
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write such numbers
        kind = "" if isinstance(value, int) else f"a {type(value).__name__} with "
        return f"{kind}a number of more than 4,300 digits"
    return text if len(text) <= most else text[: most - 3] + "..."
