"""01-wer: the fewest word edits from what was said to what was heard, for each word that was said."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from ..exercise import Exercise, Wrong, check, difference, likely, number, same

WORDS = ("turn", "on", "off", "the", "light", "lamp", "go", "stop", "left", "right", "bat", "pat")
SMALL = (  # (reference, hypothesis), the smallest first: one of each edit, then edits that depend on each other
    ("go", "go"),
    ("go", "stop"),
    ("go left", "go"),
    ("go left", "left go"),
    ("go", "go left"),
    ("turn on the light", "turn the light"),
    ("pat the bat", "bat the pat"),
    ("go left stop", "left stop go"),
    ("go go stop", "stop go go"),
)

TOLERANCE = 1e-6
RULE = "with no word said, the rate is the number of words heard: 0 for silence, 2 for two words"


def edits(reference: list[str], hypothesis: list[str], substitution: int = 1, insertion: int = 1) -> int:
    """The fewest edits, by a table of one row at a time. Deletions cost 1."""
    row = [j * insertion for j in range(len(hypothesis) + 1)]
    for i, said in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            change = diagonal + (0 if said == heard else substitution)
            diagonal, row[j] = row[j], min(change, row[j] + 1, row[j - 1] + insertion)
    return row[-1]


def right(reference: str, hypothesis: str) -> float:
    """The word error rate, with the task's rule for an empty reference."""
    a, b = reference.split(), hypothesis.split()
    return edits(a, b) / max(1, len(a))


def _swapping(a: list[str], b: list[str]) -> int:
    """The fewest edits where two neighbours that changed places are one (Damerau, 1964)."""
    rows = [list(range(len(b) + 1))]
    for i, said in enumerate(a, 1):
        rows.append([i])
        for j, heard in enumerate(b, 1):
            ways = [rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (said != heard)]
            if i > 1 < j and a[i - 2 : i] == [heard, b[j - 2]]:
                ways.append(rows[i - 2][j - 2] + 1)
            rows[i].append(min(ways))
    return rows[-1][-1]


def _longest(a: list[str], b: list[str]) -> int:
    return (len(a) + len(b) - edits(a, b, substitution=2)) // 2


SLIPS: dict[str, Callable[[list[str], list[str]], float]] = {
    "edits of letters are counted, not of words": lambda a, b: edits([*" ".join(a)], [*" ".join(b)]) / len(" ".join(a)),
    "divided by the words that were heard, not by those that were said": lambda a, b: edits(a, b) / max(1, len(b)),
    "divided by the longer of the two": lambda a, b: edits(a, b) / max(len(a), len(b)),
    "the number of edits itself, not divided by the words that were said": lambda a, b: float(edits(a, b)),
    "words are compared place by place, so that one missing word spoils all that follow": lambda a, b: (
        (sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))) / len(a)
    ),
    "places are compared only as far as the shorter one reaches": lambda a, b: (
        sum(x != y for x, y in zip(a, b, strict=False)) / len(a)
    ),
    "a substitution is counted as two edits": lambda a, b: edits(a, b, substitution=2) / len(a),
    "two neighbours that changed places are counted as one edit": lambda a, b: _swapping(a, b) / len(a),
    "insertions cost nothing": lambda a, b: edits(a, b, insertion=0) / len(a),
    "words are compared as sets, without their order and number": lambda a, b: len(set(a) ^ set(b)) / len(a),
    "only words that are missing count, not those that were added": lambda a, b: len(set(a) - set(b)) / len(a),
    "in percent, where 0.5 is wanted and not 50": lambda a, b: 100 * edits(a, b) / len(a),
    "turned round: 1 minus the rate": lambda a, b: 1 - edits(a, b) / len(a),
    "clipped at 1": lambda a, b: min(1.0, edits(a, b) / len(a)),
    "the share of words that are right, not of errors": lambda a, b: _longest(a, b) / len(a),
}


def _compare(work: Any, reference: str, hypothesis: str) -> None:
    call, got = f"wer({reference!r}, {hypothesis!r})", work.wer(reference, hypothesis)
    expected = right(reference, hypothesis)
    problem = difference(got, expected, "the result", TOLERANCE)
    if problem:
        slips = {name: lambda a, b, slip=slip: slip(a.split(), b.split()) for name, slip in SLIPS.items()}
        slip = likely(work.wer, slips, [*SMALL, (reference, hypothesis)])
        rate = number(got)
        too_high = rate is not None and rate > expected
        raise Wrong(problem, call, slip or (_not_fewest(work) if too_high else ""))


def _not_fewest(work: Any) -> str:
    """The slip of an answer that is often right and never too low, and always a whole number of edits off."""
    try:
        extra = [len(said.split()) * (float(work.wer(said, heard)) - right(said, heard)) for said, heard in SMALL]
        whole = all(edits > -TOLERANCE and abs(edits - round(edits)) < TOLERANCE for edits in extra)
    except Exception:  # it is told by the check that meets it
        return ""
    often = sum(abs(edits) < TOLERANCE for edits in extra) > len(SMALL) / 2
    return "there is a way with fewer edits: not every word that matches is worth keeping" if often and whole else ""


@check("counts the fewest edits for each word that was said", 2)
def fewest(work: Any, rng: Random) -> None:
    for reference, hypothesis in SMALL:
        _compare(work, reference, hypothesis)
    for length in (2, 3, 4, 5):
        for _ in range(8):
            few = WORDS[: rng.randint(2, 5)]  # repeated words make an alignment hard
            said = " ".join(rng.choice(few) for _ in range(length))
            heard = " ".join(rng.choice(few) for _ in range(rng.randint(1, length + 1)))
            _compare(work, said, heard)


@check("goes above 1 where much was heard that nobody said")
def above_one(work: Any, rng: Random) -> None:
    said = rng.choice(WORDS[:6])
    for reference, hypothesis in (("fries", "no fry"), (said, " ".join(rng.choice(WORDS[6:]) for _ in range(5)))):
        _compare(work, reference, hypothesis)


@check("has an answer where nothing was said, and minds no spaces")
def empty(work: Any, rng: Random) -> None:
    word, other = rng.sample(WORDS, 2)
    for reference, hypothesis in (("", ""), ("", word), ("", f"{word} {other}"), (" ", word), (word, "")):
        call = f"wer({reference!r}, {hypothesis!r})"
        try:
            got = work.wer(reference, hypothesis)
        except ZeroDivisionError:
            raise Wrong("it divides by zero", call, RULE) from None
        problem = difference(got, right(reference, hypothesis), "the result", TOLERANCE)
        if problem:
            raise Wrong(problem, call, "" if reference.strip() else RULE)
    spaced, tidy = f"  {word}   {other} ", f"{word} {other}"
    call, got = f"wer({spaced!r}, {tidy!r})", work.wer(spaced, tidy)
    problem = difference(got, 0.0, "the result", TOLERANCE)
    if problem:
        raise Wrong(problem, call, "cut at every single space, so that empty words appear")


@check("fills a table instead of trying every way")
def cost(work: Any, rng: Random) -> None:
    size, most = 12, 20_000  # a table has 144 cells; trying every way takes over a thousand million calls
    case, rates = f"two sentences of {size} words", set()
    while len(rates) < 2:  # no one number is right for both
        said, heard = (" ".join(rng.choice(WORDS[:4]) for _ in range(size)) for _ in range(2))
        got, calls = work.wer.metered("calls", most, said, heard)
        if calls > most:
            slip = "the same two beginnings are solved again and again; keep each result in a table"
            raise Wrong(f"more than {most:,} function calls, where a table has {size * size} cells", case, slip)
        same(got, right(said, heard), case, "the result", tolerance=TOLERANCE)
        rates.add(right(said, heard))


EXERCISE = Exercise(
    id="01-wer",
    title="Word error rate",
    lesson="01_sound_to_text",
    defines=("wer",),
    minutes=15,
    difficulty=2,
    why="It is what every search in this course lowers; a wrong one ranks networks wrongly, and nothing looks broken.",
    hints=(
        "If you knew the fewest edits for every pair of shorter beginnings, what would the last two words still add?",
        "Keep a table: row i, column j holds the edits from the first i words said to the first j heard. Its border is "
        "easy. Each inner cell is the best of three neighbours: delete, insert, or keep and substitute.",
        "row = list(range(len(b) + 1)) is the border. For the i-th word said, the new row starts with i; its j-th cell "
        "is min(above + 1, left + 1, diagonal + (a[i - 1] != b[j - 1])). Divide the last cell by max(1, len(a)).",
    ),
    checks=(fewest, above_one, empty, cost),
)
