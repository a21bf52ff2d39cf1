"""The table behind exercise 18: a small space of which all is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..grading.small_space import members
from ..hardware import profile
from ..jobs import Workers
from ..training import Recipe
from ..work import Source, open_speech, train_alone

RECIPE = Recipe(steps=300, batch=8)


def small_space(out: Path, count: int) -> dict[str, Any]:
    """Every architecture of exercise 18's small space from scratch, tested on unseen voices, and timed."""
    source, archs = Source("homecommands", None, "smoke"), members()
    with Workers(count) as workers:
        jobs = [workers.submit(train_alone, source, arch.to_json(), RECIPE, str(out / "scratch" / arch.id))
                for arch in archs]  # fmt: skip
        heard = workers.gather(jobs)
    timed = profile(archs, vocab_size=open_speech(source).tokenizer.vocab_size, progress=False)
    return {
        "id": [arch.id for arch in archs],
        "latency_ms": [round(float(ms), 4) for ms in timed.latencies],
        "valid_wer": [round(result["valid"]["wer"], 4) for result in heard],
        "test_wer": [round(result["test"]["wer"], 4) for result in heard],
    }
