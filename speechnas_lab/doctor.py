"""`speechnas doctor`: is all here that the course needs, does it work, and how fast is this machine?"""

from __future__ import annotations

import importlib.metadata as metadata
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

REFERENCE = 0.047  # seconds of `estimate.seconds_per_unit` where the lessons' minutes were measured, quiet
INSTALL = 'pip install -c constraints.txt -e ".[lab]"'
ROOM = 2e9  # bytes for the corpora and features of all lessons and a standard search


@dataclass
class Finding:
    """One thing looked at. mend: what to do where it is not well; empty where it is."""

    what: str
    words: str
    mend: str = ""
    needed: bool = True


def python() -> Finding:
    """The interpreter."""
    here = ".".join(map(str, sys.version_info[:3]))
    mend = "" if sys.version_info >= (3, 11) else "use Python 3.11 or newer: make PYTHON=python3.11"
    return Finding("Python", here, mend)


def packages() -> Finding:
    """Everything that the project declares for lessons and search, in versions that it allows."""
    from packaging.requirements import Requirement

    wrong, count = [], 0
    try:
        lines = metadata.requires("speechnas-lab") or []
    except metadata.PackageNotFoundError:
        return Finding("packages", "speechnas-lab itself is not installed", INSTALL)
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": "lab"}):
            continue
        if wanted.name.lower() == "speechnas-lab":
            continue
        count += 1
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} {version} is not {wanted.specifier}")
    mend = INSTALL if wrong else ""
    return Finding("packages", "; ".join(wrong) or f"{count} here, all in versions that the course allows", mend)


def torch_pair() -> Finding:
    """torch and torchaudio are built for each other, or nothing works."""
    try:
        import torch
        import torchaudio
        from torchaudio.functional import resample

        resample(torch.zeros(8), 2, 1)
    except Exception as error:  # a mismatch shows as an error of any class
        return Finding("torch", f"{type(error).__name__}: {error}", "pip install -c constraints.txt torch torchaudio")
    return Finding("torch", f"torch {torch.__version__}, torchaudio {torchaudio.__version__}, work together")


def cache() -> Finding:
    """The cache folder can be written, and there is room."""
    from .speech.corpus import cache_folder

    place = cache_folder(None)
    try:
        place.mkdir(parents=True, exist_ok=True)
        probe = place / f"probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Finding("cache", f"{place} cannot be written ({error.strerror})", "name another: SPEECHNAS_CACHE=FOLDER")
    free = shutil.disk_usage(place).free
    mend = "" if free > ROOM else f"free {ROOM / 1e9:.0f} GB, or name another folder: SPEECHNAS_CACHE=FOLDER"
    return Finding("cache", f"{place}, {free / 1e9:.0f} GB free", mend)


def voice() -> Finding:
    """eSpeak NG speaks, and a model hears it."""
    from .speech import load_corpus
    from .study import Listener

    corpus = load_corpus("homecommands", size="smoke")
    said = corpus.split("test")[19]
    heard = Listener().hear(corpus.audio(said)).text
    mend = "" if heard == said.text else "int8 rounds otherwise on this processor: no harm if nothing else is amiss"
    return Finding("speech", f'eSpeak NG said "{said.text}", ONNX Runtime heard "{heard}"', mend, needed=False)


def jupyter() -> Finding:
    """Lessons open, widgets move."""
    missing = []
    for name in ("jupyterlab", "ipywidgets", "ipykernel"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("JupyterLab", f"{', '.join(missing)} missing", INSTALL)
    from jupyter_client.kernelspec import KernelSpecManager

    kernels = sorted(KernelSpecManager().find_kernel_specs())
    mend = "" if "python3" in kernels else "python -m ipykernel install --sys-prefix"
    return Finding("JupyterLab", f"{metadata.version('jupyterlab')}, kernels: {', '.join(kernels) or 'none'}", mend)


def nbgrader() -> Finding:
    """Only for teachers."""
    try:
        return Finding("nbgrader", metadata.version("nbgrader"), needed=False)
    except metadata.PackageNotFoundError:
        mend = 'only for teachers: pip install -c constraints.txt -e ".[class]"'
        return Finding("nbgrader", "not installed", mend, needed=False)


def bubblewrap() -> Finding:
    """Only for teachers: what keeps a class's answers apart."""
    from .errors import BadInput
    from .grading.judge.sandbox import bubblewrap as found

    try:
        return Finding("bubblewrap", found(), needed=False)
    except BadInput as error:
        return Finding("bubblewrap", "not here", f"only for teachers: {error}", needed=False)


def speed() -> Finding:
    """How long the lessons' minutes are here."""
    from .estimate import seconds_per_unit

    ratio, cores = seconds_per_unit() / REFERENCE, os.cpu_count() or 1
    words = f"{cores} cores; a training step takes {ratio:.1f} times what it took where the lessons were timed"
    mend = "end other programs, or expect lessons to take that much longer" if ratio > 2 else ""
    return Finding("this machine", words, mend, needed=False)


CHECKS: tuple[Callable[[], Finding], ...] = (
    python, packages, torch_pair, cache, voice, jupyter, nbgrader, bubblewrap, speed,
)  # fmt: skip


def examine(say: Callable[[str], None] = print) -> bool:
    """Look at everything and say what was found; True if nothing that is needed is missing."""
    well = True
    for look in CHECKS:
        try:
            found = look()
        except Exception as error:  # a broken installation fails in any way; say where, and go on
            found = Finding(look.__name__, f"{type(error).__name__}: {error}", "mend what stands above first")
        sign = "ok  " if not found.mend else "MEND" if found.needed else "note"
        say(f"{sign} {found.what:<13} {found.words}" + (f"\n     -> {found.mend}" if found.mend else ""))
        well &= not (found.mend and found.needed)
    return well
