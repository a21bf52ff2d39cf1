"""A search for a device that is not here: on the page, every number about it carries the word estimated."""

from __future__ import annotations

import re

import pytest
from report_findings import example
from test_report import read

from speechnas_lab.report.estimated import latency_words, with_estimates
from speechnas_lab.report.figures import front, prediction
from speechnas_lab.report.words import costs, limit_words, verdicts

DEVICE = {"name": "raspberry-pi-4", "words": "estimated", "estimated": True, "note": "All of it is estimated: a model."}


def away() -> dict:
    """The example's findings, as of a search for a device that is not here."""
    findings = example(400)
    for place, row in enumerate(findings["models"]):
        row["latency_estimated_ms"], row["energy_away_estimated_mj"] = 31.25 + place, 41.75 + place
        row["latency_predicted_ms"] = None
    return findings | {"device": DEVICE, "limits": {"latency_ms": 77.75, "bytes": None, "memory_bytes": None}}


def test_the_page_says_estimated_wherever_a_number_is():
    outline, text = read(away())
    assert text.count(DEVICE["note"]) == 2  # at the top, and among what follows
    for number in ("31.2 ms", "32.2 ms", "77.8 ms"):
        for found in re.finditer(re.escape(number), text):
            around = text[max(0, found.start() - 120) : found.end() + 40]
            assert "stimated" in around or "measured here" in text[: found.start()], around
    assert "latency on raspberry-pi-4, estimated" in text
    assert "energy, 1 s of speech on raspberry-pi-4, estimated" in text
    assert "latency, measured here" in text and "estimated latency on raspberry-pi-4 77.8 ms" in text
    assert any(word.strip() == "Estimated" for word in outline.words)  # the glossary


def test_without_such_a_device_the_word_is_only_explained():
    _, text = read(example(400))
    assert text.count("stimated") == 1 and "latency, measured here" not in text


def test_words_about_the_winner():
    findings = away()
    winner = next(row for row in findings["models"] if row["name"] == findings["winner"])
    assert latency_words(winner) == f"{winner['latency_estimated_ms']:.1f} ms (estimated)"
    assert latency_words({"latency_ms": 2.0}) == "2.00 ms" and latency_words({}) == "–"
    said = limit_words(findings, winner)[0]
    latency = f"{winner['latency_estimated_ms']:.1f} ms"
    assert said == f"Estimated latency on raspberry-pi-4 {latency}, within the limit of 77.8 ms."
    slower = winner | {"latency_estimated_ms": 62.5, "bytes_fp32": winner["bytes_fp32"] * 2}
    told = costs(winner | {"latency_estimated_ms": 31.25}, slower, "X")
    assert told == " that is 2x smaller (fp32 against fp32) and an estimated 2x faster than X"
    assert DEVICE["note"] in verdicts(findings)


@pytest.mark.parametrize("draw", [front, prediction])
def test_figures_of_estimates_say_so_in_axis_caption_and_numbers(draw):
    findings = away()
    figure = draw(findings)
    assert "estimated" in figure.caption and "estimated" in " ".join(figure.head) and "estimated" in figure.svg
    assert "measured" not in " ".join(figure.head) + figure.heading
    tips = re.findall(r"<title>([^<]* ms[^<]*)</title>", figure.svg)
    assert tips and all("estimated" in tip for tip in tips if "finalist" not in tip)


def test_columns_are_added_after_the_measured_latency():
    plain = [("rtf", "RTF", str), ("latency_ms", "latency", str), ("parameters", "parameters", str)]
    assert with_estimates(plain, {"models": [{}]}) == plain
    keys = [key for key, _, _ in with_estimates(plain, away())]
    assert keys == ["rtf", "latency_ms", "latency_estimated_ms", "energy_away_estimated_mj", "parameters"]


@pytest.mark.parametrize(("key", "word"), [("energy_estimated_mj", " (estimated)"), ("energy_mj", "")])
def test_energy_here_has_a_column_and_an_hour_of_speech(key, word):
    findings = example(400)
    for row in findings["models"]:
        row |= {key: 12.5, "energy_by": "by a meter"}
    _, text = read(findings)
    assert ("energy, 1 s of speech, estimated" in text) == bool(word)
    assert f"encoder, a second of speech 12.5 mJ{word} by by a meter" in text
    # 12.5 mJ x 3,600 s are 45 J; 1 mAh at 3.6 V is 12.96 J
    assert f"an hour of speech, battery of an 18650 cell 3.47 mAh{word}, 0.12% of 3,000 mAh" in text


def test_energy_that_nobody_measured_is_said_to_be_so():
    _, text = read(example(400))
    assert "Energy of the winner here Not measured." in text
