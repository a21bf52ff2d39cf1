"""Many failures in a row end a search."""

from __future__ import annotations

from pathlib import Path

import pytest
from gene_space import GeneSpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import Trial, search


def test_twenty_failures_in_a_row_end_the_search_with_a_note(tmp_path: Path) -> None:
    calls = []

    def breaks(trial: Trial) -> float:
        calls.append(trial.number)
        if trial.number >= 7 and trial.number != 12:
            raise OSError("disk full")
        return 1.0

    result = search(GeneSpace(), "random", breaks, 100, seed=0, journal=tmp_path / "j")
    assert len(calls) == len(result.trials) == 33  # seven good, five bad, one good, twenty bad
    assert result.note == "the last 20 trials failed (OSError: disk full); mend the evaluation and run again"
    assert result.best.number == 0
    mended = search(GeneSpace(), "random", lambda trial: 1.0, 100, seed=0, journal=tmp_path / "j")
    assert len(mended.trials) == 100 and not mended.note  # failures of the journal do not count again
    assert sum(trial.state == "failed" for trial in mended.trials) == 25


def test_nothing_but_failures_is_an_error_and_the_number_can_be_chosen() -> None:
    with pytest.raises(BadInput, match="no trial of 20 has a result"):
        search(GeneSpace(), "evolution", lambda trial: None, 100, seed=0)
    result = search(GeneSpace(), "random", lambda t: 1.0 if t.number < 2 else None, 9, failures_in_a_row=3)
    assert len(result.trials) == 5
