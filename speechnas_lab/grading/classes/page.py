"""A small HTML page: one file, no scripts, no network. Every text that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote


class Markup(str):
    """Text that is HTML already; all else is escaped."""


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def page(title: str, *parts: str) -> str:
    """A whole document of `parts`, which are HTML."""
    policy, body = "default-src 'none'; style-src 'unsafe-inline'", "\n".join(part for part in parts if part)
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>\n'
            f"<style>\n{_style()}</style></head><body>\n{body}\n</body></html>\n")


def tag(name: str, *content: object, kind: str = "") -> Markup:
    """An element; what is no Markup is escaped."""
    inside = "".join(part if isinstance(part, Markup) else escape(str(part)) for part in content)
    return Markup(f"<{name}{f' class={kind}' if kind else ''}>{inside}</{name}>")


def anchor(path: str, words: str) -> Markup:
    """A link to a file beside the page."""
    return Markup(f'<a href="{escape(quote(path))}">{escape(words)}</a>')


def ident(text: str) -> Markup:
    """An id, which stays on one line."""
    return tag("span", text, kind="id")


def many(number: int, word: str) -> str:
    """1 exercise, 2 exercises."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table; numbers stand at the right."""
    lines = [tag("tr", *(_cell(value) for value in row)) for row in rows]
    return tag("table", tag("thead", tag("tr", *(tag("th", name) for name in head))), tag("tbody", *lines))


def _cell(value: object) -> Markup:
    return tag("td", value, kind="n" if isinstance(value, int | float) else "")
