"""A quiz that explains every answer, right or wrong. It needs no widget and no kernel: answers unfold when clicked."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from string import ascii_lowercase

from IPython.display import display


def quiz(question: str, right: Mapping[str, str], wrong: Mapping[str, str]) -> None:
    """Ask `question`. `right` and `wrong` map each answer to the reason why it is right or wrong.

    Answers stand in alphabetical order, so that their places tell nothing. Where HTML is not shown, the answers come
    first and the reasons below them.
    """
    answers = sorted([*right, *wrong], key=str.casefold)
    reasons = {**right, **wrong}
    rows = []
    for answer in answers:
        verdict = "✓ Right." if answer in right else "✗ Not this one."
        rows.append(
            f'<details style="margin: 0.3em 0 0.3em 1em"><summary style="cursor: pointer">{escape(answer)}</summary>'
            f'<p style="margin: 0.2em 0 0.6em 1.2em"><b>{verdict}</b> {escape(reasons[answer])}</p></details>'
        )
    html = f'<p><b>Quiz.</b> {escape(question)}</p>{"".join(rows)}'
    letters = dict(zip(answers, ascii_lowercase, strict=False))
    plain = [f"Quiz. {question}", *(f"  {letters[a]}) {a}" for a in answers), "", "Answers:"]
    plain += [f"  {letters[a]}) {'right' if a in right else 'wrong'}: {reasons[a]}" for a in answers]
    display({"text/html": html, "text/plain": "\n".join(plain)}, raw=True)
