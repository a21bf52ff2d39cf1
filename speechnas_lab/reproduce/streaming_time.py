"""Streams: what a step costs in time and memory, how the sound is cut, and a search that must keep up."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..hardware import LatencyPredictor, Stream, quantize_dynamic
from ..hardware.streaming.cost import StepLimit, step_latencies, stream_times
from ..models import StreamSettings
from ..search import search
from ..space import MobileConformerSpace, counts
from ..speech import word_error_rate
from ..work import Source, open_speech


def times(source: Source, models: dict[str, Path]) -> dict[str, Any]:
    """Time of each step of the live stream, features and decoding included, on two minutes of test speech."""
    wave, found = speech_of(source, 120), {}
    for form, model in models.items():
        taken = stream_times(Stream(model), wave)
        found[form] = vars(taken) | {"margin_at_p99": taken.margin}
    return found


def cuts(source: Source, model: Path, many: int = 500) -> dict[str, Any]:
    """One sound cut in many ways at random: whether the words are the same, and how far the outputs are apart."""
    wave, rng, rows, told_words = speech_of(source, 4), random.Random(0), [], []
    stream = Stream(model, watch=rows.append)
    first, worst = None, 0.0
    for number in range(many):
        places = sorted(rng.choices(range(len(wave) + 1), k=rng.randint(1, 60) if number else 0))
        words = [word for piece in np.split(wave, places) for word in stream.feed(piece)] + stream.finish()
        logits = np.concatenate(rows)
        rows.clear()
        first = logits if first is None else first
        worst = max(worst, float(abs(logits - first).max()))
        told_words.append(words)
    return {"cuts": many, "same_words": all(words == told_words[0] for words in told_words),
            "largest_difference": worst, "words": [vars(word) for word in told_words[0]]}  # fmt: skip


def fewer_bits(source: Source, model: Path, count: int = 300) -> dict[str, Any]:
    """The step with weights in int8 beside float32: bytes, and what both hear of the first test utterances, live."""
    small = quantize_dynamic(model, model.with_name("step.int8.onnx"))
    speech, found = open_speech(source), {}
    chosen = speech.corpus.split("test")[:count]
    for name, path in (("fp32", model), ("int8", small)):
        stream, texts = Stream(path), []
        for utterance in chosen:
            words = stream.feed(speech.corpus.audio(utterance)) + stream.finish()
            texts.append(" ".join(word.text for word in words))
        found[name] = {"file_bytes": path.stat().st_size, "wer": word_error_rate([u.text for u in chosen], texts)}
    return {"utterances": count, **found}


def hour(source: Source, model: Path, minutes: int = 60) -> dict[str, Any]:
    """Memory over an hour of speech in 40 ms pieces: what the stream carries, and the process's resident bytes."""
    stream, wave, rows, words = Stream(model), speech_of(source, 60), [], 0
    for minute in range(minutes):
        for at in range(0, len(wave), 640):
            words += len(stream.feed(wave[at : at + 640]))
        state = sum(stream.carried()[name].nbytes for name in stream.state)
        rows.append({"minute": minute + 1, "state_bytes": state, "resident_bytes": resident()})
    settled = [row["resident_bytes"] for row in rows[4:]]
    return {"minutes": minutes, "words": words, "state_bytes": sorted({row["state_bytes"] for row in rows}),
            "resident_bytes_at_5_minutes": settled[0], "resident_bytes_at_end": settled[-1],
            "resident_growth_bytes": settled[-1] - settled[0], "by_minute": rows[:: max(1, minutes // 12)]}  # fmt: skip


def resident() -> int:
    """Bytes of this process in memory; the most so far where only that is known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def speech_of(source: Source, seconds: float) -> np.ndarray:
    """So many seconds of the test voices, one utterance after the other."""
    corpus, parts, length = open_speech(source).corpus, [], 0
    for utterance in corpus.split("test"):
        parts.append(corpus.audio(utterance))
        length += len(parts[-1])
        if length >= 16_000 * seconds:
            break
    return np.concatenate(parts)[: round(16_000 * seconds)]


def keeps_up(most_ms: float = 40.0, share: float = 0.01) -> dict[str, Any]:
    """The largest networks that keep up with 40 ms steps: on this machine, on a hundredth of it, within the median.

    Parameters stand for quality: what is shown is the search under a limit. `found_ms` is measured on the found
    network, `estimated_ms` predicted.
    """
    space, settings, rng = MobileConformerSpace("laptop"), StreamSettings(), random.Random(0)
    archs = [space.canonical(space.sample(rng)) for _ in range(80)]
    taken = np.array([timing.median_ms for timing in step_latencies(archs, settings)])
    predictor = LatencyPredictor("corrected", space=space).fit(archs[:60], taken[:60])
    guess = predictor.predict(archs[60:])
    middle = float(np.median(taken))
    found: dict[str, Any] = {
        "measured_ms": {"least": float(taken.min()), "median": middle, "most": float(taken.max())},
        "predictor": {"within_10_percent": float(np.mean(abs(guess / taken[60:] - 1) <= 0.1)),
                      "spearman": float(spearmanr(guess, taken[60:]).statistic), "held_out": 20},
    }  # fmt: skip
    for name, most in (("40 ms", most_ms), (f"{share:.0%} of a core", most_ms * share), ("the median", middle)):
        limit = StepLimit(predictor, settings, float(most))
        result = search(space, "evolution", lambda trial: (-counts(trial.arch).parameters,), 300, limit, seed=0)
        best = result.best.arch
        clock = step_latencies([best], settings)[0]
        found[name] = {"limit_ms": float(most), "id": best.id, "parameters": counts(best).parameters,
                       "estimated_ms": limit.predicted_ms(best), "found_ms": clock.median_ms, "p95_ms": clock.p95_ms,
                       "refused_share": float(np.mean([not limit(arch) for arch in archs]))}
    return found
