"""01-ctc-collapse: from a label for each frame to a text, and how many frames a text needs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, product
from random import Random
from typing import Any

from ..exercise import Exercise, Wrong, check, difference, likely, same

SMALL = ([], [0], [1], [1, 1], [2, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1, 0], [1, 2, 2, 1], [1, 0, 0, 1, 1, 0, 2])


def merged(labels: list[int], blank: int = 0) -> list[int]:
    """Repeats made one, then blanks taken out."""
    return [label for label, _ in groupby(labels) if label != blank]


SLIPS: dict[str, Callable[[list[int], int], list[int]]] = {
    "blanks are taken out first, or each label is compared with the last one kept (out[-1]), not with the label before "
    "it: a real double letter is lost": lambda labels, blank: (
        _runs(_bare(labels, blank))
    ),
    "repeats are not merged": lambda labels, blank: _bare(labels, blank),
    "blanks stay in": lambda labels, blank: _runs(labels),
    "a label is kept once, wherever it comes again": lambda labels, blank: [*dict.fromkeys(_bare(labels, blank))],
    "labels are sorted, but their order is the text": lambda labels, blank: sorted(set(_bare(labels, blank))),
    "the blank is taken to be 0, whatever `blank` says": lambda labels, blank: merged(labels),
    "the last run of labels is forgotten": lambda labels, blank: _bare(_runs(labels)[:-1], blank),
    "the first run of labels is forgotten": lambda labels, blank: _bare(_runs(labels)[1:], blank),
    "the text is merged once more, where doubles are real": lambda labels, blank: _runs(merged(labels, blank)),
    "only pairs are merged, longer runs are not": lambda labels, blank: _bare(_pairs(labels), blank),
}


def _bare(labels: list[int], blank: int) -> list[int]:
    return [label for label in labels if label != blank]


def _runs(labels: list[int]) -> list[int]:
    return [label for label, _ in groupby(labels)]


def _pairs(labels: list[int]) -> list[int]:
    return [label for label, run in groupby(labels) for _ in range((len(list(run)) + 1) // 2)]


def _problem(got: Any, right: list[int]) -> str:
    """How a text differs from the right one; empty if it does not."""
    if isinstance(got, (list, tuple)) and len(got) != len(right):
        return f"the result has {len(got)} label{'s' if len(got) != 1 else ''}, expected {len(right)}"
    return difference(got, right, "the result", 1e-9)


def _compare(work: Any, labels: list[int], blank: int | None) -> None:
    options = {} if blank is None else {"blank": blank}
    call = f"collapse({labels}{''.join(f', {name}={value}' for name, value in options.items())})"
    problem = _problem(work.collapse(list(labels), **options), merged(labels, blank or 0))
    if problem:
        answer = lambda labels, blank: work.collapse(list(labels), blank=blank)  # noqa: E731
        cases = [(list(small), 0) for small in SMALL] + [(labels, blank or 0), ([2, 2, 0, 2], 2)]
        raise Wrong(problem, call, likely(answer, SLIPS, cases))


@check("merges repeats, then takes the blanks out", 2)
def collapses(work: Any, rng: Random) -> None:
    for labels in SMALL:
        _compare(work, labels, None)
    for length in (3, 5, 8, 12):
        for _ in range(5):
            _compare(work, [rng.randint(0, 3) for _ in range(length)], None)


@check("takes any label as the blank")
def any_blank(work: Any, rng: Random) -> None:
    for labels in ([1], [0, 0, 1, 0], [2, 2, 0, 2]):
        _compare(work, labels, 1)
    for blank in (3, rng.randint(1, 2), 0):
        for _ in range(3):
            _compare(work, [rng.randint(0, 3) for _ in range(9)], blank)


@check("leaves the list that it was given as it was", effects=True)
def untouched(work: Any, rng: Random) -> None:
    labels = [1, 1, 0, 2, *(rng.randint(0, 2) for _ in range(4))]
    given = list(labels)
    got = work.collapse(given)
    if given != labels:
        slip = "pop, remove and del change the caller's list; build a new one"
        raise Wrong(f"the list given is {given} afterwards", f"collapse({labels})", slip)
    same(got, merged(labels), f"collapse({labels})")


def _needed(labels: list[int]) -> int:
    """The shortest row of frames that becomes `labels`, by trying them all."""
    letters = sorted(set(labels) | {0})
    for frames in range(2 * len(labels) + 1):
        if any(merged(list(row)) == labels for row in product(letters, repeat=frames)):
            return frames
    raise AssertionError("no row of frames fits")


@check("tells how few frames a text needs", 2)
def frames(work: Any, rng: Random) -> None:
    texts = [[], [1], [1, 2], [1, 1], [1, 1, 1], [1, 2, 1], [1, 1, 2], [1, 2, 2]]
    texts += [[rng.randint(1, 2) for _ in range(4)] for _ in range(4)]
    for labels in texts:
        _frames(work, labels, _needed(labels))
    for word in ("hello", "bookkeeper", "".join(rng.choice("ab") for _ in range(30))):
        labels = [ord(letter) - 96 for letter in word]
        _frames(work, labels, len(labels) + _equal(labels))


FRAMES: dict[str, Callable[[list[int]], int]] = {
    "equal neighbours need a blank between them, and a blank needs a frame": len,
    "only equal neighbours need a blank between them, not every two": lambda labels: max(0, 2 * len(labels) - 1),
    "blanks at both ends are allowed, not needed": lambda labels: 2 * len(labels) + 1,
    "a label that comes again later needs no blank, only equal neighbours do": lambda labels: (
        2 * len(labels) - len(set(labels))
    ),
    "equal neighbours need one frame more, not one less": lambda labels: len(labels) - _equal(labels),
    "in a run of three there are two pairs of neighbours, and each needs its blank": lambda labels: (
        len(labels) + sum(len(list(run)) > 1 for _, run in groupby(labels))
    ),
    "a blank stands between two labels: one less than the run has labels": lambda labels: (
        len(labels) + sum(n for n in (len(list(run)) for _, run in groupby(labels)) if n > 1)
    ),
    "only the blanks are counted, not the labels": lambda labels: _equal(labels),
    "one frame too many": lambda labels: len(labels) + _equal(labels) + 1,
}


def _equal(labels: list[int]) -> int:
    return sum(a == b for a, b in zip(labels, labels[1:], strict=False))


def _frames(work: Any, labels: list[int], expected: int) -> None:
    call = f"needed_frames({labels})"
    problem = difference(work.needed_frames(list(labels)), expected, "the result", 1e-9)
    if problem:
        cases = [([1],), ([1, 2],), ([1, 1],), ([1, 1, 1],), ([1, 2, 1],), (labels,)]
        answer = lambda labels: work.needed_frames(list(labels))  # noqa: E731
        raise Wrong(problem, call, likely(answer, FRAMES, cases))


EXERCISE = Exercise(
    id="01-ctc-collapse",
    title="Collapse, and how short is too short",
    lesson="01_sound_to_text",
    defines=("collapse", "needed_frames"),
    minutes=10,
    difficulty=1,
    why="A network that makes too few frames can never say the text; a search must know before it trains.",
    hints=(
        "In what order must merging and taking out happen, so that 'hello' keeps both of its l?",
        "Walk through the frames and remember the one before. Keep a label where it differs from that one and is no "
        "blank. For the frames: each label needs one, and some neighbours need one between them. Which?",
        "[now for before, now in zip([None, *labels], labels) if now != before ...] still lets blanks through; and "
        "zip(labels, labels[1:]) walks over all neighbours.",
    ),
    checks=(collapses, any_blank, untouched, frames),
)
