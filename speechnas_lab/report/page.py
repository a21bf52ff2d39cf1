"""report.html: one file, no network, no scripts, that tells a newcomer what a search found and how far to trust it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from speechnas_lab.hardware.estimates.energy import BATTERIES
from speechnas_lab.report.estimated import energy_rows, latency_words, limits_name, with_estimates
from speechnas_lab.report.figures import NAMES, Figure, all_figures
from speechnas_lab.report.words import (
    SMOKE,
    amount,
    astronomical,
    duration,
    estimated_on,
    headline,
    limit_words,
    milliseconds,
    number,
    of_kind,
    percent,
    significant,
    size,
    verdicts,
    winner_of,
)
from speechnas_lab.space import Architecture, describe, drawing

COLUMNS: list[tuple[str, str, Callable[[float], str]]] = [  # key, heading, how to print; lower is better in all
    ("wer", "WER", percent),
    ("wer_int8", "WER, int8", percent),
    ("rtf", "RTF", significant),
    ("rtf_int8", "RTF, int8", significant),
    ("latency_ms", "latency", milliseconds),
    ("bytes_fp32", "stored, fp32", size),
    ("bytes_int8", "stored, int8", size),
    ("peak_memory_bytes", "peak memory", size),
    ("parameters", "parameters", amount),
]
GLOSSARY = [
    ("Estimated", "Computed from public figures of a device that was not there: nothing ran on it. Every such number "
     "carries this word."),
    ("Word error rate (WER)", "Words substituted, left out or put in, divided by the words that were spoken. 8% means "
     "about one word in twelve is wrong. Lower is better; it can exceed 100%."),
    ("95% interval", "The test speech is one draw of many. Were the test speakers (or utterances) drawn again, most "
     "such results would lie in this range. If the interval of a difference holds 0, the two may be equally good."),
    ("Points", "Percentage points: from 8.4% to 8.1% is −0.3 points."),
    ("Real-time factor (RTF)", "Computing time divided by the audio's length, from sound to text, one utterance at a "
     "time on one thread. 0.01 means that a minute of speech takes 0.6 seconds."),
    ("Latency", "How long the network itself takes for two seconds of speech: the median of many warm runs."),
    ("Energy", "What the network alone takes from a battery for one second of speech."),
    ("fp32 and int8", "Two ways to store a weight: a 32-bit fraction, or a whole number of 8 bits with a common scale. "
     "int8 takes about a quarter of the space; it need not be faster."),
    ("Stored", "The bytes of the weights as they lie in the file. Decimal units: 1 MB is 1,000,000 bytes."),
    ("Search score", "A cheap guess at quality: the loss of the architecture with weights that all candidates share, "
     "without training it on its own. Lower is better."),
    ("Pareto front", "The candidates that no other beats on both counts at once, here speed and score. Every sensible "
     "choice lies on it; which one depends on how much time you can spend."),
    ("Trained from scratch", "The finalists and every network in the table start from random weights and follow the "
     "same recipe on the same speech, so that the comparison is fair."),
]


def write_report(findings: dict, path: Path) -> None:
    """Write the page, complete or not at all.

    findings: plain values; any measurement may be None. Raises ValueError where `winner` names no row of `models`,
    OSError where the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(page(findings), encoding="utf-8")
    os.replace(part, path)


def page(findings: dict) -> str:
    """The whole document."""
    winner = winner_of(findings)
    figures = all_figures(findings)
    settings = findings.get("settings", {})
    title = f"Search report: {findings['corpus']['name']}"
    told = [settings.get("budget") and f"{settings['budget']} size", settings.get("seed") is not None
            and f"seed {settings['seed']}"]
    eyebrow = ", ".join([f"Architecture search for speech on {findings['corpus']['name']}", *(t for t in told if t)])
    smoke = f'<p class="warning">{SMOKE}</p>' if settings.get("budget") == "smoke" else ""
    if estimated_on(findings):
        smoke += f'<p class="warning">{escape(findings["device"]["note"])}</p>'
    said = "".join(f"<li>{escape(text)}</li>" for text in verdicts(findings))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{files("speechnas_lab").joinpath("report.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<p class="eyebrow">{escape(eyebrow)}</p>
{smoke}<h1>{escape(headline(findings))}</h1>
{tiles(findings, winner)}
<nav aria-label="Contents"><a href="#conclusions">What follows</a> <a href="#winner">The winner</a>
<a href="#models">All models</a> <a href="#cost">Errors against cost</a> <a href="#search">How it was found</a>
<a href="#facts">Data and machine</a> <a href="#repeat">Repeat it</a> <a href="#terms">Terms</a></nav>
</header>
<main>
<section id="conclusions"><h2>What follows from the numbers, and what does not</h2>
<ul class="verdicts">{said}</ul></section>
{winner_section(winner)}
{models_section(findings)}
<section id="cost"><h2>Errors against cost</h2>
<p>A recogniser is good when it makes few errors for little cost. Each mark is one trained network.</p>
<div class="figures">{"".join(map(figure, figures[:2]))}</div></section>
<section id="search"><h2>How it was found</h2>
<p>{escape(search_words(findings))}</p>
<div class="figures">{"".join(map(figure, figures[2:]))}</div>{rank_facts(findings)}</section>
{facts_section(findings)}
<section id="terms"><h2>Terms in plain words</h2>
<dl class="glossary">{"".join(f"<div><dt>{t}</dt><dd>{escape(d)}</dd></div>" for t, d in GLOSSARY)}</dl></section>
</main>
<footer>Made by speechnas_lab. This page is one file: it loads nothing and can be kept or sent as it is.</footer>
</body>
</html>
"""


def tiles(findings: dict, winner: dict) -> str:
    """The winner's four figures, large."""
    def shown(key: str, form: Callable[[float], str]) -> str:
        value = number(winner.get(key))
        return "–" if value is None else form(value)

    low, high, rtf = number(winner.get("wer_low")), number(winner.get("wer_high")), number(winner.get("rtf"))
    spread = "no interval measured" if low is None or high is None else (
        f"95% interval {percent(low)} to {percent(high)}, over {winner.get('wer_unit') or 'test items'}")
    small = number(winner.get("bytes_int8"))
    away = estimated_on(findings)
    kept = [text.split(", ")[1].rstrip(".") for text in limit_words(findings, winner) if "atency" in text.split(",")[0]]
    kept = [f"{text} (estimated too)" if away else text for text in kept]
    rows = [
        ("Word error rate", shown("wer", percent), spread),
        ("Real-time factor", shown("rtf", significant),
         f"{1 / rtf:,.0f} times faster than speech, one thread" if rtf else "not measured"),
        ("Stored weights", shown("bytes_fp32", size), f"fp32; {size(small)} as int8" if small else "fp32"),
        (f"Latency on {away}" if away else "Latency", latency_words(winner),
         kept[0] if kept else "for two seconds of speech"),
    ]
    return '<dl class="tiles">' + "".join(
        f'<div><dt>{name}</dt><dd class="value">{escape(value)}</dd><dd class="more">{escape(more)}</dd></div>'
        for name, value, more in rows) + "</dl>"


def winner_section(winner: dict) -> str:
    """The network block by block, as a picture and in words."""
    name = escape(winner["name"])
    start = f'<section id="winner"><h2>The winner, block by block</h2><p>Its name is <code>{name}</code>.'
    if not winner.get("arch"):
        return f"{start} Its architecture was not recorded, so there is no drawing.</p></section>"
    arch = Architecture.from_json(winner["arch"])
    svg = drawing(arch).replace(' xmlns="http://www.w3.org/2000/svg"', "")  # a page needs no name space
    return (f"{start} Sound features enter at the top; read from left to right, then down.</p>"
            f'<div class="scroll drawing" tabindex="0" role="region" aria-label="Drawing of the winner">{svg}</div>'
            f'<p class="words">{escape(describe(arch))}</p></section>')


def table(head: Sequence[str], rows: Sequence[Sequence[str]], name: str = "", look: str = "") -> str:
    """A table of plain text; the first column holds row headings."""
    top = f"<thead><tr>{''.join(f'<th scope=col>{escape(h)}</th>' for h in head)}</tr></thead>" if head else ""
    body = "".join(f"<tr><th scope=row>{escape(row[0])}</th>{''.join(f'<td>{escape(c)}</td>' for c in row[1:])}</tr>"
                   for row in rows)
    caption = f"<caption>{escape(name)}</caption>" if name else ""
    return f'<table class="{look}">{caption}{top}<tbody>{body}</tbody></table>'


def figure(what: Figure) -> str:
    """A picture with caption, and its numbers to unfold."""
    numbers = ""
    if what.rows:
        numbers = (f'<details><summary>The numbers</summary><div class="scroll" tabindex="0" role="region" '
                   f'aria-label="{escape(what.heading)}">{table(what.head, what.rows, look="left")}</div></details>')
    return (f"<figure><h3>{escape(what.heading)}</h3>{what.svg}<figcaption>{escape(what.caption)}</figcaption>"
            f"{numbers}</figure>")


def models_section(findings: dict) -> str:
    """The winner beside every hand-designed network and the random one; the best of each column marked."""
    rows = of_kind(findings, "found") + of_kind(findings, "hand-designed") + of_kind(findings, "random")
    notes: list[str] = []
    best = {}
    shown = with_estimates(COLUMNS, findings)
    for key, _, form in shown:
        values = [value for row in rows if (value := number(row.get(key))) is not None]
        best[key] = form(min(values)) if len(values) > 1 else None
    lines = []
    for row in rows:
        cells = [cell(row, key, form, best[key], notes) for key, _, form in shown]
        lines.append(f'<tr class="{row["kind"]}"><th scope=row>{escape(row["name"])}'
                     f'<span class="kind">{NAMES[row["kind"]]}</span></th>{"".join(cells)}</tr>')
    head = "".join(f"<th scope=col>{heading}</th>" for _, heading, _ in shown)
    under = "".join(f"<li>{note}</li>" for note in notes)
    return (f'<section id="models"><h2>The winner beside hand-designed networks</h2>'
            f"<p>All figures are better when lower. ★ marks the best of each column as printed; a dash means not "
            f"measured. The small line below a WER is its 95% interval and what was drawn again for it.</p>"
            f'<div class="scroll" tabindex="0" role="region" aria-label="Table of all models"><table class="models">'
            f"<thead><tr><th scope=col>model</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
            f'{f"<ol class=notes>{under}</ol>" if notes else ""}</section>')


def cell(row: dict, key: str, form: Callable[[float], str], best: str | None, notes: list[str]) -> str:
    """One value. Where it is missing or comes from elsewhere, a numbered note says so."""
    def noted(text: str) -> str:
        if text not in notes:
            notes.append(text)
        return f"<sup>{notes.index(text) + 1}</sup>"

    value = number(row.get(key))
    if value is None:
        why = (row.get("why") or {}).get(key)
        return f'<td>–<span class="hidden"> not measured</span>{noted(escape(why)) if why else ""}</td>'
    text = escape(form(value))
    inside = f'<span class="best">{text}<span class="hidden"> (best)</span></span>' if form(value) == best else text
    if key == "wer":
        if row.get("wer_source"):
            inside += noted(f"Not computed in this run; made by <code>{escape(row['wer_source'])}</code>.")
        low, high = number(row.get("wer_low")), number(row.get("wer_high"))
        if low is not None and high is not None:
            unit = escape(row.get("wer_unit") or "")
            inside += f'<span class="range">{100 * low:.1f} to {percent(high)}<br>{unit}</span>'
    return f"<td>{inside}</td>"


def search_words(findings: dict) -> str:
    """From the size of the space to the finalists, in numbers."""
    space, trials = findings.get("space") or {}, findings.get("trials", [])
    words = f"The space holds {astronomical(space['cardinality'])} architectures. " if space.get("cardinality") else ""
    away = estimated_on(findings)
    asked = f"a predictor of estimated latency on {away}" if away else "a latency predictor"
    return (f"{words}The search asked {asked} first and scored {len({t['id'] for t in trials}):,} of them "
            f"with shared weights. The best {len(findings.get('finalists', []))} were then trained from scratch, and "
            "the best of those is the winner.")


def rank_facts(findings: dict) -> str:
    """Rank correlations beside the finalists' own: plain counts, the ceiling, whatever was measured."""
    rows = [(key.replace("_", " "), plain(value)) for key, value in (findings.get("rank") or {}).items()]
    if not any(value != "–" for key, value in rows if key != "tau"):  # the finalists' own stands below their picture
        return ""
    return f'<div class="facts"><div><h3>Rank correlation</h3>{table((), rows)}</div></div>'


def plain(value: Any) -> str:
    """Any setting as text."""
    if isinstance(value, float) and number(value) is not None:
        return significant(value)
    return "–" if value is None else f"{value:,}" if type(value) is int and abs(value) > 9999 else str(value)


def facts_section(findings: dict) -> str:
    """Data, settings, limits, machine, versions, time, and the command to repeat it all."""
    corpus, settings = findings["corpus"], dict(findings.get("settings", {}))
    command, limits = settings.pop("command", None), findings.get("limits", {})
    kinds = ("utterances", "speakers", "words")
    splits = [(name.replace("_", " for "), *("–" if s.get(kind) is None else f"{s[kind]:,}" for kind in kinds))
              for name, s in corpus.get("splits", {}).items()]
    hours = number(corpus.get("hours"))
    data = table(("split", *kinds), splits,
                 f"{corpus['name']}{f', {significant(hours)} hours' if hours is not None else ''}")
    remarks = "".join(f"<li>{escape(note)}</li>" for note in corpus.get("notes") or [])
    forms = {"latency_ms": (limits_name(findings), milliseconds), "bytes": ("stored weights", size), "memory_bytes":
             ("peak memory", size)}
    asked = [(name, form(value) if (value := number(limits.get(key))) is not None else "none")
             for key, (name, form) in forms.items()]
    seconds = {k: v for k, v in findings.get("seconds", {}).items() if number(v) is not None}
    total = seconds.pop("total", sum(seconds.values()))
    longest = max(seconds.values(), default=0) or 1
    spent = "".join(
        f'<tr><th scope=row>{escape(step)}<span class="share" style="width:{100 * s / longest:.1f}%"></span></th>'
        f"<td>{duration(s)}</td></tr>" for step, s in seconds.items())
    energy = energy_rows(winner_of(findings), BATTERIES.values())
    blocks = [
        ("Speech", data + (f"<ul>{remarks}</ul>" if remarks else "")),
        ("Energy of the winner here", table((), energy) if energy else "<p>Not measured.</p>"),
        ("Time spent", f"<table><tbody>{spent}</tbody></table><p>Together {duration(total)}.</p>"),
        ("Settings", table((), [(k.replace("_", " "), plain(v)) for k, v in settings.items()])),
        ("Limits for the winner", table((), asked)),
        ("Machine", table((), [(k, plain(v)) for k, v in findings.get("machine", {}).items()])),
        ("Versions", table((), [(k, plain(v)) for k, v in findings.get("versions", {}).items()])),
    ]
    body = "".join(f"<div><h3>{name}</h3>{text}</div>" for name, text in blocks)
    repeat = f"<pre><code>{escape(command)}</code></pre>" if command else "<p>The command was not recorded.</p>"
    return (f'<section id="facts"><h2>Data and machine</h2><div class="facts">{body}</div></section>'
            f'<section id="repeat"><h2>Repeat it</h2><p>The same seed and the same profile file give the same winner. '
            f"Times belong to the machine above: on another one, profile anew.</p>{repeat}</section>")
