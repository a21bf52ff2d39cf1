"""The speaking child: eSpeak NG by ctypes, in a process of its own.

The engine's code is under the GPL, it can crash, and it draws from C's `rand`, which it seeds from the clock.
So nothing of ours loads it: `python -m speechnas_lab.speech.espeak JOB OUT` is started anew for each shard,
seeds `rand`, speaks the job's utterances in order, and ends. The same job then always gives the same bytes.

JOB is a JSON file {"seed", "utterances": [{"text", "voice", "rate", "pitch", "range", "seed"}, ...]}.
OUT is a folder, made by the caller. It gets `audio.npy` (int16, 16 kHz, utterances end to end), `labels.npy`
(uint8, frames end to end) and `meta.json` (lengths in samples, label names, engine version, the hash of
the sound).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .room import FRAME, SAMPLE_RATE, acoustics, resample

SYNCHRONOUS, PHONEME_EVENTS, DONT_EXIT = 2, 1, 0x8000  # speak_lib.h: to our callback, in this thread
EVENT_END, EVENT_PHONEME = 0, 7                      # espeak_EVENT_TYPE
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4              # espeak_PARAMETER
UTF8 = 1
SILENCE = "sil"
LOUDNESS = 40     # of 100; at 100 the louder voices clip
PAUSE = (0.02, 0.12)  # seconds of silence put before and after the speech


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Id),
    ]


_Samples, _Events = ctypes.POINTER(ctypes.c_short), ctypes.POINTER(_Event)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, _Events)


def library_paths() -> tuple[str, str]:
    """The engine's library and data folder, from the `espeakng_loader` wheel; BadInput when it is missing."""
    try:
        import espeakng_loader
    except ImportError:
        raise BadInput("the built-in speech needs eSpeak NG: run `pip install espeakng-loader`") from None
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()


def fold(name: str) -> str:
    """A phoneme's name without stress and variant marks: `I2` -> `I`, `'aI` -> `aI`; pauses `_:` -> `sil`.

    Empty for a mark that is no sound of its own.
    """
    if name.startswith("_"):
        return SILENCE
    marked = "".join(c for c in name if c.isalnum() or c in "@:")
    return marked[:1] + "".join(c for c in marked[1:] if not c.isdigit())  # `0` and `3:` are vowels


class Engine:
    """One loaded engine; `rate` is that of its sound in Hz (22050), `seed` starts its random numbers."""

    def __init__(self, seed: int) -> None:
        library, data = library_paths()
        self.lib = ctypes.CDLL(library)
        self.lib.espeak_Info.restype = ctypes.c_char_p
        self.rate = self.lib.espeak_Initialize(SYNCHRONOUS, 0, os.fsencode(data), PHONEME_EVENTS | DONT_EXIT)
        if self.rate <= 0:
            raise BadInput(f"eSpeak NG does not start with its data folder {data}: reinstall espeakng-loader")
        self.version = self.lib.espeak_Info(None).decode()
        self._hear = _Callback(self._heard)
        self.lib.espeak_SetSynthCallback(self._hear)
        self.voice = ""
        clib = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
        clib.srand(ctypes.c_uint(seed))  # both after espeak_Initialize, which seeds from the clock
        if hasattr(self.lib, "espeak_ng_SetRandSeed"):  # 1.52 draws from a generator of its own as well
            self.lib.espeak_ng_SetRandSeed(ctypes.c_long(seed))

    def _heard(
        self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if wave and count > 0:
            self.sound.append(ctypes.string_at(wave, count * 2))
        for event in events:
            if event.type == EVENT_END:
                break
            if event.type == EVENT_PHONEME:
                self.phonemes.append((event.sample, event.id.string.decode("utf-8", "replace")))
        return 0

    def say(
        self, text: str, voice: str, rate: int, pitch: int, span: int
    ) -> tuple[np.ndarray, list[tuple[int, str]]]:
        """Speak `text`: int16 samples (n,) and [(first sample, phoneme name), ...] in order of time.

        rate: words per minute; pitch and span (of intonation): 0 to 100, 50 is usual.
        """
        self.sound, self.phonemes = [], []
        if voice != self.voice and self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise BadInput(f"eSpeak NG {self.version} has no voice {voice!r}: reinstall espeakng-loader")
        self.voice = voice
        for parameter, value in ((RATE, rate), (PITCH, pitch), (RANGE, span), (VOLUME, LOUDNESS)):
            self.lib.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        self.lib.espeak_Synth(raw, ctypes.c_size_t(len(raw) + 1), 0, 1, 0, UTF8, None, None)
        return np.frombuffer(b"".join(self.sound), np.int16), self.phonemes


def frame_names(
    phonemes: list[tuple[int, str]], rate: int, before: int, spoken: int, after: int
) -> list[str]:
    """The phoneme at each frame's centre in `before` + `spoken` + `after` samples: silence, speech, silence.

    Frame t is centred on sample 160 t, so there are T = 1 + n // 160 names. `phonemes` count from where the
    speech begins, in samples at `rate`.
    """
    sounds = [(start, fold(name)) for start, name in phonemes if fold(name)]
    starts = [before + min(spoken, int(start * SAMPLE_RATE / rate)) for start, _ in sounds]
    starts = [0, *starts, before + spoken]
    names = [SILENCE] + [name for _, name in sounds] + [SILENCE]
    centres = np.arange(1 + (before + spoken + after) // FRAME) * FRAME
    return [names[i] for i in np.searchsorted(starts, centres, side="right") - 1]


def trimmed(wave: np.ndarray) -> np.ndarray:
    """Cut the silence after the last sample above 1% of the peak."""
    size = np.abs(wave.astype(np.int32))
    return wave[: 1 + int(np.flatnonzero(size >= 0.01 * size.max())[-1])]


def speak_shard(job: dict[str, object], out: Path) -> None:
    """Speak a whole job in order and write audio.npy, labels.npy and meta.json into the folder `out`."""
    engine = Engine(int(job["seed"]))
    waves, names = [], []
    for item in job["utterances"]:
        wave, phonemes = engine.say(item["text"], item["voice"], item["rate"], item["pitch"], item["range"])
        if not len(wave) or not phonemes:
            raise BadInput(f"eSpeak NG {engine.version} said nothing for {item['text']!r} by {item['voice']}")
        clean = resample(trimmed(wave), engine.rate)
        rng = np.random.default_rng(item["seed"])
        before, after = (int(rng.uniform(*PAUSE) * SAMPLE_RATE) for _ in range(2))
        waves.append(acoustics(np.pad(clean, (before, after)), rng))
        names.append(frame_names(phonemes, engine.rate, before, len(clean), after))
    table = [SILENCE] + sorted({name for row in names for name in row} - {SILENCE})
    index = {name: i for i, name in enumerate(table)}
    np.save(out / "labels.npy", np.array([index[name] for row in names for name in row], np.uint8))
    audio = np.concatenate(waves)
    np.save(out / "audio.npy", audio)
    meta = {"engine": engine.version, "labels": table, "samples": [len(w) for w in waves],
            "sha256": hashlib.sha256(audio.tobytes()).hexdigest()}
    (out / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """`python -m speechnas_lab.speech.espeak JOB OUT`; 0 done, 1 with one line on standard error."""
    job, out = map(Path, arguments)
    try:
        speak_shard(json.loads(job.read_text(encoding="utf-8")), out)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot write to {out} ({error}): free some space, or set SPEECHNAS_CACHE", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
