"""Public corpora in the folders they come in. Nothing is downloaded: the user names the folder."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadInput
from .assemble import Row, assemble
from .corpus import Corpus

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RECORDING = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")


def read_fsdd(folder: Path) -> Corpus:
    """The Free Spoken Digit Dataset: files {digit}_{speaker}_{take}.wav in `folder` or its folder recordings.

    By speaker in alphabetical order: the last is "test", the one before "valid", the others "train". With
    so few speakers there is no "valid_weights". Raises BadInput with fewer than three speakers.
    """
    place = folder / "recordings" if (folder / "recordings").is_dir() else folder
    found = [(path, m) for path in sorted(place.glob("*.wav")) if (m := RECORDING.fullmatch(path.name))]
    if not found:
        raise BadInput(f"{place} holds no files like 7_jackson_32.wav: give the FSDD folder")
    speakers = sorted({m[2] for _, m in found})
    if len(speakers) < 3:
        raise BadInput(f"{place} holds {len(speakers)} speaker(s): train, valid and test need one each")
    shares = dict.fromkeys(speakers[:-2], "train") | {speakers[-2]: "valid", speakers[-1]: "test"}
    rows = [Row(p.name, p.stem, p, DIGITS[int(m[1])], m[2], shares[m[2]]) for p, m in found]
    notes = [f"{len(speakers)} speakers are too few for a split valid_weights: weights are judged on valid"]
    return assemble("fsdd", rows, notes=notes)


def read_librispeech(folder: Path) -> Corpus:
    """LibriSpeech (Panayotov et al. 2015) unpacked in `folder`, or `folder` itself being named LibriSpeech.

    Every train-* part is "train" and test-clean is "test". Of dev-clean, every second speaker is
    "valid_weights", the others "valid". The parts dev-other and test-other are left out. Texts are written
    in small letters. Raises BadInput if a part is missing.
    """
    from torchaudio.datasets import LIBRISPEECH  # here: this is slow to import and only few need it

    root = folder.resolve().parent if folder.resolve().name == "LibriSpeech" else folder
    parts = sorted(p.name for p in (root / "LibriSpeech").glob("train-*") if p.is_dir())
    for part in (*(parts or ["train-clean-100"]), "dev-clean", "test-clean"):
        if not (root / "LibriSpeech" / part).is_dir():
            wanted = "train-clean-100, dev-clean and test-clean"
            raise BadInput(f"{root}/LibriSpeech/{part} is missing: unpack {wanted}")
    rows = []
    for part in (*parts, "dev-clean", "test-clean"):
        try:
            listed = LIBRISPEECH(root, url=part)
            found = [listed.get_metadata(i) for i in range(len(listed))]
        except (OSError, ValueError) as error:
            raise BadInput(f"{root}/LibriSpeech/{part} is damaged ({error}): unpack it again") from error
        halves = {s: i % 2 for i, s in enumerate(sorted({metadata[3] for metadata in found}))}
        for file, _, text, speaker, _, _ in found:
            split = part.split("-")[0]
            if split == "dev":
                split = ("valid", "valid_weights")[halves[speaker]]
            path = root / "LibriSpeech" / file
            rows.append(Row(file, path.stem, path, text.lower(), str(speaker), split))
    return assemble("librispeech", rows)
