"""Table 21: where its error rates come from, and how it is written. `speechnas reproduce table21` measures it."""

from __future__ import annotations

import csv
import json

import pytest

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import ESTIMATED
from speechnas_lab.models import baseline
from speechnas_lab.reproduce.table21 import HERE, MANUAL, _known, as_text
from speechnas_lab.space import counts
from speechnas_lab.steps import LARGE


def test_error_rates_are_those_of_one_search():
    known, ours, labels = _known(None)
    with (HERE / "search-candidates.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert set(known) == {*MANUAL, "ours"}
    assert known["lstm"]["wer"] == float(rows["lstm"]["wer"]) and known["ours"]["wer"] == float(rows[ours.id]["wer"])
    assert rows[ours.id]["kind"] == "found"
    assert counts(LARGE, vocab_size=labels).parameters == int(rows["conformer-large"]["parameters"])
    built = sum(weight.numel() for weight in baseline("quartznet", vocab_size=labels).parameters())
    assert built == int(rows["quartznet"]["parameters"])  # so the labels are right for another network too


def test_a_search_that_lacks_networks_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no finished search in"):
        _known(tmp_path)
    (tmp_path / "winner.json").write_text(json.dumps({"id": "x", "architecture": json.loads(LARGE.to_json())}))
    (tmp_path / "candidates.csv").write_text("name,parameters\nconformer-large,1\nconformer-small,1\n")
    with pytest.raises(BadInput, match="lacks jasper, lstm, quartznet"):
        _known(tmp_path)


def row(**more) -> dict:
    return {"title": "A", "wer": 0.0812, "wer_low": 0.07, "wer_high": 0.09, "peak_memory_bytes": 2_500_000,
            "bytes_fp32": 4_000, "bytes_int8": 1_000, "rtf": {"ort": 0.001, "torch": 0.002},
            "encoder_rtf_estimated": dict.fromkeys(ESTIMATED, 0.5), "energy_estimated_mj": 6.0, **more}  # fmt: skip


@pytest.mark.parametrize("measured", [False, True])
def test_the_table_in_words(measured):
    rows = {"a": row(), "b": row(title="B", peak_memory_bytes=None)}
    if measured:
        for some in rows.values():
            some["energy_mj"] = some.pop("energy_estimated_mj") + 1
    text = as_text({"rows": rows, "devices": {"ort": "one thread", "torch": "eager"}, "warning": "", "trust": "Off."})
    here, away, notes = text.split("\n\n")
    for table in (here, away):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "8.1% (7.0 to 9.0)" in here and "0.00200" in here and "2.5 MB" in here and "not measured" in here
    assert ("(estimated)" in here) is not measured and ("7.00" if measured else "6.00") in here
    heads = away.splitlines()[0].split("|")[2:-1]
    assert len(heads) == len(ESTIMATED) and all("(estimated)" in head for head in heads)
    assert notes == "ort: one thread\ntorch: eager\nOff."
