"""The report's pictures: each a chart, its text alternative, a caption and its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from speechnas_lab.chart import HEIGHT, WIDTH, Chart, across, picture, shape, spread, upward
from speechnas_lab.report.words import (
    estimated_on,
    milliseconds,
    number,
    of_kind,
    percent,
    significant,
    size,
    staircase,
    versions,
)

NAMES = {"found": "found", "finalist": "other finalist", "hand-designed": "hand-designed", "random": "random"}
BAND = 0.10  # the predictor's bar: within 10% of the measured latency
CLIP = 0.95  # the search-over-time chart leaves out the worst scores above this quantile


@dataclass(frozen=True)
class Figure:
    """`svg` is "" where there is nothing to draw; `caption` then says why."""

    heading: str
    svg: str
    caption: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)


def listing(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as one run of text, for a picture's description."""
    return "; ".join(", ".join(f"{h} {v}" for h, v in zip(head, row, strict=True)) for row in rows) + "."


def round_size(count: float) -> str:
    """A tick: 1 MB rather than 1.00 MB."""
    value, unit = size(count).split()
    return f"{float(value.replace(',', '')):g} {unit}"


def shown_versions(row: dict, key: str) -> list[tuple[float, float]]:
    """As `versions`; of the finalists only fp32, they lie too close together for more."""
    found = versions(row, key)
    return found if row["kind"] != "finalist" else versions({key: row.get(key), "wer": row.get("wer")}, key)


def tradeoff(findings: dict, key: str) -> Figure:
    """WER against cost: key "rtf", or "bytes_fp32" with the int8 versions beside as hollow marks."""
    noun, form, tick = ("RTF", significant, "{:g}".format) if key == "rtf" else ("bytes", size, round_size)
    heading = f"Word error rate against {'speed (RTF)' if key == 'rtf' else 'stored size (bytes)'}"
    rows = [row for row in findings["models"] if shown_versions(row, key)]
    if not rows:
        return Figure(heading, "", f"Not drawn: no model has both a WER and {noun} in this run.")
    pairs = [pair for row in rows for pair in shown_versions(row, key)]
    bars = [b for row in rows for b in (number(row.get("wer_low")), number(row.get("wer_high"))) if b is not None]
    wers = [wer for _, wer in pairs]
    steep = min(wers) > 0 and max(wers) / min(wers) > 6
    x = across(f"{'RTF' if key == 'rtf' else 'stored size'} (log scale, left is better)",
               spread([cost for cost, _ in pairs], log=True), True, tick)
    ends = spread(wers, True) if steep else spread(wers + bars, floor_at=0.0)
    chart = Chart(x, upward(f"WER{' (log scale)' if steep else ''}, lower is better", ends, steep,
                            lambda v: f"{100 * v:.3g}%"))
    curve = staircase([pair for row in of_kind(findings, "hand-designed") for pair in versions(row, key)])
    if len(curve) > 1:
        chart.line(curve, "peers")
    table = []
    for row in sorted(rows, key=lambda r: -list(NAMES).index(r["kind"])):  # the found one last, on top
        low, high = number(row.get("wer_low")), number(row.get("wer_high"))
        label = "" if row["kind"] == "finalist" else "found" if row["kind"] == "found" else row["name"]
        for place, (cost, wer) in enumerate(shown_versions(row, key)):
            int8 = (cost, wer) != (number(row.get(key)), number(row.get("wer")))
            told = f"{row['name']}{' int8' if int8 else ''}"
            if low is not None and high is not None and not int8:
                chart.bar(cost, low, high, row["kind"])
            chart.mark(cost, wer, row["kind"], label if place == 0 else "", int8,
                       f"{told}: WER {percent(wer)}, {noun} {form(cost)}")
            table.append((told, NAMES[row["kind"]], form(cost), percent(wer)))
    chart.legend = [(k, f"mark {k}", NAMES[k]) for k in NAMES if any(r["kind"] == k for r in rows)]
    caption = "Towards the lower left is better. Upright lines are 95% intervals. "
    if key != "rtf":
        caption += "Filled: fp32; hollow: the same network as int8. "
    if len(curve) > 1:
        caption += "The dashed line joins the hand-designed networks that no other hand-designed one beats on both."
    head = ("model", "kind", noun, "WER")
    return Figure(heading, chart.svg(f"by-{noun.lower()}", heading, listing(head, table)), caption, head, table)


def front(findings: dict) -> Figure:
    """Score against predicted latency for every trial, with the Pareto front, the limit and the finalists."""
    heading = "Pareto front of the search"
    trials = {}
    for trial in findings.get("trials", []):
        score, latency = number(trial.get("score")), number(trial.get("latency_ms"))
        if score is not None and latency is not None:
            trials.setdefault(trial["id"], (latency, score))
    if not trials:
        return Figure(heading, "", "Not drawn: the search left no trial with a score and a predicted latency.")
    best = sorted((*trials[i], i) for i in dict.fromkeys(findings.get("front", [])) if i in trials)
    chosen = {f["id"]: trials[f["id"]] for f in findings.get("finalists", []) if f["id"] in trials}
    limit = number(findings.get("limits", {}).get("latency_ms"))
    lat = [v[0] for v in trials.values()]
    scores = sorted(v[1] for v in trials.values())
    shown = [s for s in scores if s <= scores[int(CLIP * (len(scores) - 1))]]
    shown += [s for _, s, _ in best] + [v[1] for v in chosen.values()]
    away = estimated_on(findings)
    said = " (estimated)" if away else ""
    latency_name = f"predicted latency on {away}{said}" if away else "predicted latency"
    chart = Chart(across(f"{latency_name} in ms", spread(lat + ([limit] if limit else []), floor_at=0.0)),
                  upward("search score, lower is better", spread(shown)))
    outside = chart.cloud(list(trials.values()), "trial")
    steps = []
    for latency, score, _ in best:
        steps += [(latency, steps[-1][1])] if steps else []
        steps.append((latency, score))
    if len(steps) > 1:
        chart.line(steps, "front")
    for latency, score, name in best:
        chart.mark(latency, score, "front",
                   tip=f"{name}: {milliseconds(latency)}{said}, score {significant(score, 4)}")
    chart.legend = [("front", "mark front", "Pareto front"), ("finalist", "mark finalist", "finalist")]
    if limit:
        chart.line([(limit, chart.y.low), (limit, chart.y.high)], "limit")
        chart.legend.append(("line", "limit", "limit"))
    for name, (latency, score) in sorted(chosen.items(), key=lambda c: c[0] == findings["winner"]):
        kind = "found" if name == findings["winner"] else "finalist"
        chart.mark(latency, score, kind, "found" if kind == "found" else "", tip=f"{name}, finalist")
    caption = (f"{len(trials):,} architectures scored with shared weights. On the front (the stepped line) "
               "nothing is both faster and better scored.")
    if limit:
        caption += f" The dashed upright line is the limit of {milliseconds(limit)}{said}."
    if outside:
        caption += f" {outside:,} poorly scored ones lie above the picture."
    rows = [(name, milliseconds(latency), significant(score, 4), "yes" if name in chosen else "no")
            for latency, score, name in best]
    head = ("on the front", latency_name, "score", "finalist")
    words = f"{len(trials):,} trials. {f'Limit {milliseconds(limit)}{said}. ' if limit else ''}{listing(head, rows)}"
    return Figure(heading, chart.svg("front", heading, words), caption, head, rows)


def prediction(findings: dict) -> Figure:
    """Latency predicted against measured, with the 10% band."""
    away = estimated_on(findings)
    truth = "estimated" if away else "measured"
    heading = f"Latency: predicted against {truth}"
    points = [(number(p.get("measured_ms")), number(p.get("predicted_ms")), bool(p.get("held_out")), p["id"])
              for p in findings.get("profile", [])]
    points = [p for p in points if p[0] and p[1] and min(p[:2]) > 0]
    if not points:
        return Figure(heading, "", "Not drawn: no architecture was both profiled and predicted.")
    low, high = spread([v for p in points for v in p[:2]], log=True)
    chart = Chart(across(f"{truth}, ms (log scale)", (low, high), True), upward("predicted, ms", (low, high), True))
    up, down = 1 + BAND, 1 - BAND
    chart.band([(low, low), (low, low * up), (high / up, high), (high, high), (high, high * down), (low / down, low)],
               "band")
    chart.line([(low, low), (high, high)], "equal")
    for measured, predicted, held, name in sorted(points, key=lambda p: p[2]):
        chart.mark(measured, predicted, "held" if held else "fitted", hollow=not held,
                   tip=f"{name}: {truth} {milliseconds(measured)}, predicted {milliseconds(predicted)}")
    chart.legend = [("held", "mark held", "held out"), ("fitted", "mark fitted hollow", "used for fitting")]
    told = [p for p in points if p[2]]
    if len(told) == len(points):
        chart.legend.pop()
    if not told:
        chart.legend.pop(0)
        caption = "No architecture was held out, so this shows the fit and not how well it predicts new ones."
    else:
        inside = sum(abs(p / m - 1) <= BAND for m, p, _, _ in told)
        caption = (f"{inside} of {len(told)} held-out architectures ({percent(inside / len(told))}) are predicted "
                   f"within 10% (the shaded band).")
        if (rho := spearman([p[0] for p in told], [p[1] for p in told])) is not None:
            caption += f" Their rank correlation (Spearman) is {rho:.3f}."
    if away:
        caption += f" Nothing was measured on {away}: its latencies are estimated, and this shows the predictor alone."
    elif (own := number(findings.get("profile_spread"))) is not None:
        caption += f" The machine's own spread from repeat to repeat is {percent(own)}: no predictor can do better."
    rows = [(name, milliseconds(m), milliseconds(p), f"{100 * (p / m - 1):+.1f}%".replace("-", "−"),
             "yes" if held else "no") for m, p, held, name in sorted(points)]
    head = ("architecture", truth, "predicted", "error", "held out")
    text = listing(head, [row for row in rows if row[4] == "yes"] or rows)
    return Figure(heading, chart.svg("latency", heading, f"{caption} {text}"), caption, head, rows)


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank correlation; None for fewer than three pairs or where one side is constant."""
    if len(a) < 3 or len(set(a)) == 1 or len(set(b)) == 1:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def progress(findings: dict) -> Figure:
    """Best score so far by trial number."""
    heading = "The search over time"
    trials = [(int(t["number"]), number(t.get("score")), t["id"]) for t in findings.get("trials", [])]
    scored = sorted((n, s, i) for n, s, i in trials if s is not None)
    if not scored:
        return Figure(heading, "", "Not drawn: no trial has a score.")
    failed = len(trials) - len(scored)
    better: list[tuple[int, float, str]] = []
    for trial in scored:
        if not better or trial[1] < better[-1][1]:
            better.append(trial)
    order = sorted(s for _, s, _ in scored)
    top = order[int(CLIP * (len(order) - 1))]
    steps: list[tuple[float, float]] = []
    for n, score, _ in better:
        steps += [(n, steps[-1][1])] if steps else []
        steps.append((n, score))
    steps.append((scored[-1][0], better[-1][1]))
    chart = Chart(across("trial number", (scored[0][0], max(scored[-1][0], scored[0][0] + 1)), form="{:,.0f}".format),
                  upward("search score, lower is better", spread([order[0], max(top, better[0][1] if
                                                                               len(better) < 3 else top)])))
    outside = chart.cloud([(n, s) for n, s, _ in scored], "trial")
    chart.line([(n, min(s, chart.y.high)) for n, s in steps], "best")
    chart.legend = [("line", "best", "best so far"), ("front", "mark trial", "one trial")]
    last = better[-1]
    caption = (f"{len(scored):,} scored trials. The best score went from {significant(better[0][1], 4)} to "
               f"{significant(last[1], 4)}, first reached at trial {last[0]:,}.")
    if failed:
        caption += f" {failed:,} trials failed and were never counted as best."
    if outside:
        caption += f" {outside:,} poor scores lie above the picture."
    rows = [(f"{n:,}", significant(s, 4), i) for n, s, i in better]
    head = ("trial", "best score so far", "architecture")
    return Figure(heading, chart.svg("progress", heading, f"{caption} {listing(head, rows)}"), caption, head, rows)


def ranks(findings: dict) -> Figure:
    """Two columns: the finalists' order by the search's score and by WER after training from scratch."""
    heading = "Predicted rank and true rank of the finalists"
    rows = [(f["id"], number(f.get("score")), number(f.get("wer"))) for f in findings.get("finalists", [])]
    rows = [row for row in rows if row[1] is not None and row[2] is not None]
    if len(rows) < 2:
        return Figure(heading, "", "Not drawn: fewer than two finalists have both a score and a WER.")
    guess = [row[0] for row in sorted(rows, key=lambda r: r[1])]
    truth = [row[0] for row in sorted(rows, key=lambda r: r[2])]
    step = min(44.0, (HEIGHT - 90) / (len(rows) - 1))
    body = ['<text class="axis" x="128" y="24" text-anchor="end">by search score</text>',
            f'<text class="axis" x="{WIDTH - 148}" y="24">by WER once trained</text>']
    table = []
    for name, score, wer in sorted(rows, key=lambda r: r[2]):
        a, b = guess.index(name), truth.index(name)
        left, right = 56 + step * a, 56 + step * b
        kind = "found" if name == findings["winner"] else "finalist"
        body += [f'<path class="line slope {kind}" d="M142 {left:.1f}L{WIDTH - 162} {right:.1f}"/>',
                 f'<path class="mark {kind}" d="{shape(kind, 142, left)}"/>',
                 f'<path class="mark {kind}" d="{shape(kind, WIDTH - 162, right)}"/>']
        for x, y, anchor, text in ((128, left, "end", f"{a + 1}. {significant(score, 4)}"),
                                   (WIDTH - 148, right, "start", f"{b + 1}. {percent(wer)}"
                                    + (" found" if kind == "found" else ""))):
            body.append(f'<text class="label {kind}" x="{x}" y="{y + 4:.1f}" text-anchor="{anchor}">{text}</text>')
        table.append((name, str(a + 1), str(b + 1), significant(score, 4), percent(wer)))
    caption = "Lines that do not cross mean that the search's cheap score put the finalists in the right order."
    tau = number((findings.get("rank") or {}).get("tau"))
    if tau is not None:
        caption += f" Kendall's tau is {tau:.2f} (1: same order, 0: no relation, −1: reversed)."
    caption += f" Among {len(rows)} near-equal finalists a few crossings are expected."
    head = ("architecture", "predicted rank", "true rank", "score", "WER")
    height = int(80 + step * (len(rows) - 1))
    return Figure(heading, picture("ranks", heading, f"{caption} {listing(head, table)}", WIDTH, height, body),
                  caption, head, table)


def all_figures(findings: dict) -> list[Figure]:
    """In the order of the report."""
    return [tradeoff(findings, "rtf"), tradeoff(findings, "bytes_fp32"), front(findings), progress(findings),
            prediction(findings), ranks(findings)]
