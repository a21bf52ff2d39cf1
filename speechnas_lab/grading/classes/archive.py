"""The files below a folder or in a ZIP, as data: nothing is written by a name that somebody else chose.

A folder may hold downloads as ZIPs, and a download the ZIPs of students; what lies deeper is left out. So is, with a
line that says it, what leads out of a ZIP (`..`, `/`), links, devices and what is larger than the limits.
"""

from __future__ import annotations

import io
import mmap
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import BadInput
from .clean import clean

LARGEST = 200 * 2**20  # bytes of one file; a notebook that printed 100 MB stays below
TOGETHER = 500 * 2**20  # bytes of the files of one ZIP inside another, or of one student
ENTRIES = 100_000  # files of one ZIP
ENTRY = b"PK\x01\x02"  # stands before each of them in its list
WANTED = {".ipynb", ".zip"}  # and timestamp.txt
SKIPPED = {".ipynb_checkpoints", "__MACOSX"}


@dataclass(frozen=True)
class Found:
    """One file. path: relative, with the name of a ZIP inside as a folder. place: where it lies, if in no ZIP.

    sent: it lies in a ZIP that a student made, so that its whole path there is the student's own choice.
    """

    path: PurePosixPath
    read: Callable[[], bytes]
    place: Path | None = None
    sent: bool = False


def files_of(place: Path, notes: list[str], others: list[PurePosixPath] | None = None) -> Iterator[Found]:
    """The notebooks (and nbgrader's timestamp.txt) of a folder or a ZIP, in order of name. others: gets the paths of
    all other files.
    """
    others = [] if others is None else others
    if place.is_dir():
        yield from _in_folder(place, notes, others)
    elif zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            yield from _in_archive(archive, PurePosixPath(), notes, others, nested=False)
    elif not place.exists():
        raise BadInput(f"there is no file or folder {place}")
    else:
        raise BadInput(f"{place} is no folder and no ZIP: give what was collected, or the ZIP of Canvas or Moodle")


def downloads(folder: Path, named: Callable[[str], bool]) -> set[str]:
    """The ZIPs right in a folder, without their ending, if each of them is a download: all of its entries are `named`.

    If one is not, all count as students' own.
    """
    found = set()
    for path in folder.glob("*.zip") if folder.is_dir() else ():
        try:
            _count(path)
            with zipfile.ZipFile(path) as archive:
                paths = [PurePosixPath(_name(info)) for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return set()
        if not all(named(entry.parts[0]) for entry in paths if entry.parts and not _hidden(entry.parts[0])):
            return set()
        found.add(clean(path.stem))
    return found


def _in_folder(folder: Path, notes: list[str], others: list[PurePosixPath]) -> Iterator[Found]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in [*folders, *sorted(names)]:
            path = Path(root) / name
            relative = PurePosixPath(clean(path.relative_to(folder).as_posix()))
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                notes.append(f"{relative}: a link; not read")
            elif not stat.S_ISDIR(mode) and _wanted(relative):
                yield from _file(path, relative, mode, notes, others)
            elif stat.S_ISREG(mode) and not _hidden(name):
                others.append(relative)


def _file(
    path: Path, relative: PurePosixPath, mode: int, notes: list[str], others: list[PurePosixPath]
) -> Iterator[Found]:
    if not stat.S_ISREG(mode):
        notes.append(f"{relative}: no plain file; not read")
    elif path.stat().st_size > LARGEST:
        notes.append(f"{relative}: larger than {LARGEST >> 20} MB; not read")
    elif relative.suffix.lower() != ".zip":
        yield Found(relative, path.read_bytes, path)
    else:
        yield from _opened(path, relative, notes, others, nested=len(relative.parts) > 1)


def _opened(
    file: Path | io.BytesIO, relative: PurePosixPath, notes: list[str], others: list[PurePosixPath], nested: bool
) -> Iterator[Found]:
    try:
        _count(file)
        with zipfile.ZipFile(file) as archive:
            yield from _in_archive(archive, relative.with_suffix(""), notes, others, nested)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        notes.append(f"{relative}: a damaged ZIP ({error}); not read")


def _count(file: Path | io.BytesIO) -> None:
    """Raise BadZipFile for a ZIP of too many files: to open it takes a while, and memory, for each of them."""
    if isinstance(file, Path):
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            count = sum(1 for _ in re.finditer(ENTRY, content))
    else:
        count = file.getvalue().count(ENTRY)
    if count > ENTRIES:
        raise zipfile.BadZipFile(f"more than {ENTRIES:,} files")


def _in_archive(
    archive: zipfile.ZipFile, above: PurePosixPath, notes: list[str], others: list[PurePosixPath], nested: bool
) -> Iterator[Found]:
    left = TOGETHER if nested else None
    for info in sorted(archive.infolist(), key=lambda one: one.filename):
        path = PurePosixPath(_name(info))
        if info.is_dir() or any(map(_hidden, path.parts)):
            continue
        told = above / path.name if path.is_absolute() or ".." in path.parts else above / path
        if not _wanted(path):
            others.append(told)
            continue
        if problem := _refused(info, path):
            notes.append(f"{told}: {problem}; not read")
            continue
        content = _content(archive, info, told, notes)
        if content is None:
            continue
        if left is not None and (left := left - len(content)) < 0:
            notes.append(f"{above}: more than {TOGETHER >> 20} MB together; the rest is not read")
            return
        if path.suffix.lower() != ".zip":
            yield Found(told, lambda content=content: content, sent=nested)
        elif nested:
            notes.append(f"{told}: a ZIP in a ZIP in a ZIP; not read")
        else:
            yield from _opened(io.BytesIO(content), told, notes, others, nested=True)


def _name(info: zipfile.ZipInfo) -> str:
    """An entry's name: UTF-8 also where the ZIP forgot to say so, with `/` between folders."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return clean(name.replace("\\", "/"))


def _refused(info: zipfile.ZipInfo, path: PurePosixPath) -> str:
    """Why an entry is not read, or ""."""
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return "its name leads out of the ZIP"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in (0, stat.S_IFREG):
        return "no plain file"
    if info.flag_bits & 1:
        return "encrypted"
    return f"larger than {LARGEST >> 20} MB" if info.file_size > LARGEST else ""


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, told: PurePosixPath, notes: list[str]) -> bytes | None:
    """What an entry holds; never more than LARGEST, whatever the ZIP claims."""
    try:
        with archive.open(info) as file:
            content = file.read(LARGEST + 1)
    except Exception as error:  # zipfile, zlib, lzma and bz2 each have their own
        notes.append(f"{told}: damaged ({type(error).__name__}: {str(error)[:80]}); not read")
        return None
    if len(content) > LARGEST:
        notes.append(f"{told}: larger than {LARGEST >> 20} MB; not read")
        return None
    return content


def _wanted(path: PurePosixPath) -> bool:
    return path.suffix.lower() in WANTED or path.name == "timestamp.txt"


def _hidden(name: str) -> bool:
    return (name.startswith(".") and name != "..") or name in SKIPPED
