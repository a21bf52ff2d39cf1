"""From the rows of a user's files to a corpus: every sound read, every split checked."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadInput
from .audio import SAMPLE_RATE, Sound, check_all
from .corpus import NEEDED, SPLITS, Corpus, Utterance, split_by_speaker


@dataclass(frozen=True)
class Row:
    """One utterance as claimed. `where` is its place, as "M.csv line 3"; speaker and split may be empty."""

    where: str
    id: str
    path: Path
    text: str
    speaker: str
    split: str


def assemble(name: str, rows: list[Row], seed: int = 0, notes: list[str] | None = None) -> Corpus:
    """Check rows and their sound files, and make a corpus of the good ones, in the order of their ids.

    A row whose sound is missing, cut off, not sound, or shorter than 25 ms is left out and named in the
    notes; so is a training row without text (elsewhere it stays, and all that is heard there is an
    insertion). Rows without any split are split by speaker, see `split_by_speaker`. Texts are brought to
    Unicode's NFC with single spaces. Raises BadInput for a repeated id, a speaker in two splits, and a
    split without utterances.
    """
    remarks = list(notes or [])
    if not rows:
        raise BadInput(f"{name} has no rows: give at least one utterance for {', '.join(NEEDED)}")
    rows = [replace(row, text=" ".join(unicodedata.normalize("NFC", row.text).split())) for row in rows]
    refuse_repeats(rows)
    refuse_gaps(rows, "split", lambda row: row.split)
    refuse_gaps(rows, "speaker", lambda row: row.speaker)
    if rows[0].split:
        refuse_shared_speakers(rows)
        refuse_empty_splits(name, rows, "no row says so: mark some speakers' rows so in the column split")
    elif not rows[0].speaker:
        raise BadInput(f"{name} has neither splits nor speakers: fill the column split or speaker")
    rows.sort(key=lambda row: row.id)
    sounds = check_all([row.path for row in rows])
    good = []
    for row, sound in zip(rows, sounds, strict=True):
        if sound.problem:
            remarks.append(f"{row.where}: {row.path} is left out: {sound.problem}")
        elif not row.text and row.split in ("train", ""):
            remarks.append(f"{row.where}: {row.path} is left out: it has no text to train on")
        else:
            good.append((row, sound))
    if len(good) < len(rows):
        remarks.append(f"{len(good)} of {len(rows)} used")
    if good and not good[0][0].split:
        shares = split_by_speaker([row.speaker for row, _ in good], seed)
        good = [(replace(row, split=shares[row.speaker]), sound) for row, sound in good]
        remarks.append(f"no split was given, so it was made by speaker with seed {seed}: {spoken_by(shares)}")
    refuse_empty_splits(name, [row for row, _ in good], (remarks or [""])[0])
    remarks += conversions([sound for _, sound in good]) + overlaps([row for row, _ in good])
    utterances = [Utterance(r.id, r.path, r.text, r.speaker, r.split, s.seconds) for r, s in good]
    content = [[r.id, r.text, r.speaker, r.split, s.digest] for r, s in good]
    fingerprint = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
    corpus = Corpus(name, utterances, fingerprint, remarks)
    corpus.recorded = True
    return corpus


def refuse_repeats(rows: list[Row]) -> None:
    """BadInput where two rows have one id."""
    first: dict[str, Row] = {}
    for row in rows:
        if (other := first.setdefault(row.id, row)) is not row:
            raise BadInput(f"{row.where} repeats {row.id} of {other.where}: keep one of the two rows")


def refuse_gaps(rows: list[Row], column: str, value: Callable[[Row], str]) -> None:
    """BadInput unless a column is filled for all rows or for none."""
    filled = [row for row in rows if value(row)]
    if filled and len(filled) < len(rows):
        gap = next(row for row in rows if not value(row))
        raise BadInput(f"{gap.where} has no {column}, {filled[0].where} has: fill it in all rows or in none")


def refuse_shared_speakers(rows: list[Row]) -> None:
    """BadInput where a speaker is in two splits."""
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.speaker, row)
        if row.speaker and other.split != row.split:
            raise BadInput(
                f"the speaker {row.speaker} is in two splits, {other.split} ({other.where}) and {row.split} "
                f"({row.where}): the error rate would be too good; move all rows of a speaker to one split"
            )


def refuse_empty_splits(name: str, rows: list[Row], why: str) -> None:
    """BadInput where a split that is needed has no row; `why` ends the message."""
    for split in NEEDED:
        if not any(row.split == split for row in rows):
            raise BadInput(f"{name}: the split {split} cannot be made, it has no usable utterance: {why}")


def spoken_by(shares: dict[str, str]) -> str:
    """The speakers of each split in words; `shares` maps speaker to split."""
    names = defaultdict(list)
    for speaker in sorted(shares):
        names[shares[speaker]].append(speaker)
    return "; ".join(f"{split}: {', '.join(names[split])}" for split in SPLITS if names[split])


def conversions(sounds: list[Sound]) -> list[str]:
    """One remark for each kind of file that is not 16 kHz mono."""
    rates = Counter(s.rate for s in sounds if s.rate != SAMPLE_RATE)
    channels = Counter(s.channels for s in sounds if s.channels != 1)
    remarks = [f"{n} files at {rate} Hz are resampled to {SAMPLE_RATE}" for rate, n in sorted(rates.items())]
    return remarks + [f"{n} files with {many} channels are averaged" for many, n in sorted(channels.items())]


def overlaps(rows: list[Row]) -> list[str]:
    """Sentences that are also trained on, and texts that are empty."""
    remarks = []
    trained = {row.text for row in rows if row.split == "train"}
    for split in SPLITS[1:]:
        texts = {row.text for row in rows if row.split == split} - {""}
        shared = len(texts & trained)
        if shared:
            remarks.append(f"{shared} of {len(texts)} different texts of {split} also occur in train")
        empty = sum(row.split == split and not row.text for row in rows)
        if empty:
            remarks.append(f"{empty} texts of {split} are empty: a word heard there counts as an insertion")
    return remarks
