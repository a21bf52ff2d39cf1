"""What a corpus is: utterances with a text, a speaker and a split, and the sound of each."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import platformdirs

from ..errors import BadInput
from .audio import read_audio

SPLITS = ("train", "valid_weights", "valid", "test")
NEEDED = ("train", "valid", "test")  # valid_weights may be empty


@dataclass(frozen=True)
class Utterance:
    """One recording. `split` is "train", "valid_weights", "valid" (which judges architectures) or "test"."""

    id: str
    path: Path | None
    text: str
    speaker: str
    split: str
    seconds: float


class Corpus:
    """Utterances in the order of their ids, and how to hear them.

    `fingerprint` is hexadecimal and changes with any text, speaker, split or sound. `notes` holds one-line
    remarks for the user. `label_names` names the values of `frame_labels`; index 0 is silence. `about` says
    how the corpus was made, for an export. `recorded`: by various microphones in various rooms, so that features
    have each utterance's own mean taken off.
    """

    about: Mapping[str, object] = MappingProxyType({})
    recorded = False

    def __init__(
        self,
        name: str,
        utterances: Iterable[Utterance],
        fingerprint: str,
        notes: Iterable[str] = (),
        label_names: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.utterances = list(utterances)
        self.fingerprint = fingerprint
        self.notes = list(notes)
        self.label_names = list(label_names)

    def split(self, name: str) -> list[Utterance]:
        """The utterances of one split, in order."""
        if name not in SPLITS:
            raise BadInput(f"there is no split {name!r}: use one of {', '.join(SPLITS)}")
        return [u for u in self.utterances if u.split == name]

    def audio(self, utterance: Utterance) -> np.ndarray:
        """float32 (n,), 16 kHz, mono, in [-1, 1]."""
        if utterance.path is None:
            raise BadInput(f"{utterance.id} has no sound file: give the corpus another way to hear it")
        return read_audio(utterance.path)

    def frame_labels(self, utterance: Utterance) -> np.ndarray | None:
        """int64 (T,), T = 1 + n // 160, the phoneme spoken in each 10 ms frame; None if not known."""
        return None

    def note(self, line: str) -> None:
        """Keep a remark for the user, once."""
        if line not in self.notes:
            self.notes.append(line)


def load_corpus(
    name_or_path: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    seed: int = 0,
    size: str = "standard",
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Corpus:
    """Open a corpus by its name, or a manifest by its path.

    Names: "homecommands" and "homecommands-dictation" are built in (`size` is "standard" or "smoke");
    "fsdd" and "librispeech" read the folder `data` (for "fsdd" also the environment variable SPEECHNAS_FSDD).
    Anything else is the path of a CSV or JSONL manifest, see `read_manifest`. `seed` decides the built-in
    corpora and the split of a manifest that has none. progress: show a bar while a built-in corpus is spoken, which
    happens the first time that it is opened.
    Raises BadInput with one line that says what is wrong and what to do.
    """
    name = os.fspath(name_or_path)
    if name in ("homecommands", "homecommands-dictation"):
        from .homecommands import homecommands

        register = "dictation" if name.endswith("dictation") else "commands"
        return homecommands(register=register, seed=seed, size=size, cache=cache, progress=progress)
    if name in ("fsdd", "librispeech"):
        from . import folders

        folder = data or (os.environ.get("SPEECHNAS_FSDD") if name == "fsdd" else None)
        if not folder:
            raise BadInput(f"the corpus {name!r} needs the folder of its recordings: give it with --data DIR")
        return (folders.read_fsdd if name == "fsdd" else folders.read_librispeech)(Path(folder))
    from .manifest import read_manifest

    path = Path(name)
    if not path.is_file():
        known = "homecommands, homecommands-dictation, fsdd, librispeech or the path of a CSV or JSONL file"
        raise BadInput(f"there is no corpus or manifest {name!r}: use {known}")
    return read_manifest(path, seed=seed)


def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """`cache`, else the environment variable SPEECHNAS_CACHE, else the user's cache folder.

    It is made if missing. Raises BadInput if that fails.
    """
    chosen = cache or os.environ.get("SPEECHNAS_CACHE")
    folder = Path(os.path.abspath(chosen)) if chosen else platformdirs.user_cache_path("speechnas_lab")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make the folder {folder} ({error.strerror}): set SPEECHNAS_CACHE") from error
    return folder


def split_by_speaker(speakers: Sequence[str], seed: int) -> dict[str, str]:
    """Give each speaker a split. speakers: one entry for each utterance, in any order.

    The speaker with most utterances trains. Of the others, in an order drawn from `seed`, a fifth of all
    (at least one) is "test", a fifth "valid", and with ten speakers or more a tenth "valid_weights". Raises
    BadInput with fewer than three speakers.
    """
    counts = Counter(speakers)
    order = sorted(counts)
    if len(order) < 3:
        missing = ("valid and test", "test")[len(order) - 1]
        raise BadInput(
            f"{len(order)} speaker(s) cannot be split: no speaker is left for {missing}; "
            "give three speakers or more, or fill the column split"
        )
    random.Random(f"split {seed}").shuffle(order)
    largest = max(order, key=lambda speaker: counts[speaker])
    order.remove(largest)
    fifth, tenth = max(1, len(counts) // 5), len(counts) // 10
    shares = ["test"] * fifth + ["valid"] * fifth + ["valid_weights"] * tenth
    shares += ["train"] * (len(order) - len(shares))
    return {largest: "train", **dict(zip(order, shares, strict=True))}
