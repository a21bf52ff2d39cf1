"""A user's own recordings, listed in a CSV or JSONL file; and any corpus written out as such a list."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import soundfile

from ..errors import BadInput
from .assemble import Row, assemble
from .audio import SAMPLE_RATE
from .corpus import SPLITS, Corpus

NAMES = {  # what other tools call our columns
    "audio_filepath": "path", "audio": "path", "file": "path", "sentence": "text", "transcript": "text",
    "speaker_id": "speaker", "client_id": "speaker",
}  # fmt: skip
SPLIT_NAMES = {split: split for split in SPLITS} | {"val": "valid", "dev": "valid", "validation": "valid"}


def read_manifest(path: str | os.PathLike[str], seed: int = 0) -> Corpus:
    """A corpus from a list of sound files.

    CSV with a header (comma, semicolon or tab), or JSONL with one object a line; UTF-8, with or without a
    byte order mark. Columns, in any order and case: `path` (relative to the manifest's own folder) and
    `text` are needed, `speaker` and `split` (train, valid, test, and valid_weights if you like) may be left
    out together or empty; then the split is made by speaker from `seed`. Other columns are ignored. Blank
    lines are skipped. Raises BadInput naming the line at fault. See `assemble` for what happens to bad
    sound.

    The text is kept as it is written (LibriSpeech's is all capitals); only white space is tidied and accents
    are composed (Unicode's NFC). So "Stop", "stop" and "stop!" are three words, to tokens and to error rates.
    Bring texts of mixed sources to one case, without punctuation, before you list them.
    """
    manifest = Path(path)
    text = decoded(manifest)
    listed = json_lines if text.lstrip()[:1] in ("{", "[") else csv_lines
    notes: list[str] = []
    rows = []
    for line, fields in listed(text, manifest.name):
        where = f"{manifest.name} line {line}"
        for column in ("path", "text"):
            if column not in fields:
                found = ", ".join(sorted(fields))
                raise BadInput(f"{where}: the column {column} is missing (found: {found}): add it")
        if not fields["path"]:
            raise BadInput(f"{where}: the path is empty: give it relative to the manifest's folder")
        name, file = located(manifest, fields["path"], notes)
        split = fields.get("split", "").lower()
        if split and split not in SPLIT_NAMES:
            raise BadInput(f"{where}: there is no split {split!r}: use one of {', '.join(SPLITS)}")
        speaker = fields.get("speaker", "")
        rows.append(Row(where, name, file, fields["text"], speaker, SPLIT_NAMES.get(split, "")))
    return assemble(manifest.name, rows, seed, notes)


def decoded(manifest: Path) -> str:
    """The file's text without byte order mark. Raises BadInput for other encodings than UTF-8."""
    try:
        raw = manifest.read_bytes()
    except OSError as error:
        raise BadInput(f"{manifest} cannot be read ({error.strerror})") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BadInput(f"{manifest.name} line {line} is not UTF-8: save the file as UTF-8") from error


def located(manifest: Path, written: str, notes: list[str]) -> tuple[str, Path]:
    """The id (the path as written, with forward slashes) and the file: always beside the manifest."""
    folder = Path(os.path.abspath(manifest.parent))
    name = written
    if "\\" in name and not (folder / name).exists():
        name = name.replace("\\", "/")
        remark = f"{manifest.name}: backslashes in paths are read as forward slashes"
        if remark not in notes:
            notes.append(remark)
    return name, folder / name


def csv_lines(text: str, name: str) -> list[tuple[int, dict[str, str]]]:
    """Pairs of line number (the header is line 1 if nothing stands before it) and fields by column."""
    start = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = "\t" if "\t" in start else ";" if ";" in start and "," not in start else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows = []
    line = 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells) and not header:
                header = [column(cell) for cell in cells]
                twice = sorted({c for c in header if c and header.count(c) > 1})
                if twice:
                    raise BadInput(f"{name} line {line}: two columns are called {twice[0]}: rename one")
            elif any(cells):
                if len(cells) != len(header):
                    raise BadInput(
                        f"{name} line {line} has {len(cells)} fields, the header {len(header)}: "
                        'put a text that holds the delimiter in "double quotes"'
                    )
                rows.append((line, dict(zip(header, cells, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"{name} line {line} is not CSV ({error}): check its quotes") from error
    return rows


def json_lines(text: str, name: str) -> list[tuple[int, dict[str, str]]]:
    """The same from one JSON object a line; numbers become text."""
    rows = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            fields = json.loads(content)
        except ValueError as error:
            raise BadInput(f"{name} line {line} is not JSON ({error}): put a whole object on it") from error
        if not isinstance(fields, dict):
            raise BadInput(f"{name} line {line} is not an object: write one with path and text on it")
        named = {column(key): "" if value is None else value for key, value in fields.items()}
        for key in ("path", "text", "speaker", "split"):
            if not isinstance(named.get(key, ""), str | int):
                raise BadInput(f"{name} line {line}: {key} must be text, not {json.dumps(named[key])[:40]}")
        rows.append((line, {key: str(value).strip() for key, value in named.items()}))
    return rows


def column(name: str) -> str:
    """Our name of a column, whatever its case and whichever tool named it."""
    plain = name.strip().lower()
    return NAMES.get(plain, plain)


def export_corpus(corpus: Corpus, folder: str | os.PathLike[str]) -> Path:
    """Write every utterance as 16-bit WAV, manifest.csv (which `read_manifest` reads) and corpus.json about
    them.

    Returns the manifest's path. Each file appears whole or not at all, the manifest last, and a second run
    writes the same bytes.
    """
    out = Path(folder)
    (out / "wavs").mkdir(parents=True, exist_ok=True)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "text", "speaker", "split"])
    taken: set[str] = set()
    for utterance in corpus.utterances:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", utterance.id)
        name = plain if plain not in taken else f"{plain}-{len(taken)}"
        taken.add(name)
        samples = np.clip(np.round(corpus.audio(utterance) * 32768), -32768, 32767).astype(np.int16)
        sound = io.BytesIO()
        soundfile.write(sound, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        put(out / "wavs" / f"{name}.wav", sound.getvalue())
        writer.writerow([f"wavs/{name}.wav", utterance.text, utterance.speaker, utterance.split])
    about = {
        "name": corpus.name,
        "fingerprint": corpus.fingerprint,
        "utterances": {split: len(corpus.split(split)) for split in SPLITS},
        "notes": corpus.notes,
        **corpus.about,
    }
    put(out / "corpus.json", (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())
    put(out / "manifest.csv", table.getvalue().encode())
    return out / "manifest.csv"


def put(path: Path, content: bytes) -> None:
    """Write a file that is never seen half written."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
