"""Fixtures that several test files share."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
collect_ignore_glob = ["mutants/*"]  # answers to exercises, run by test_exercises


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """Folder of human digit recordings. Set SPEECHNAS_FSDD, or keep it at ../shared/data/fsdd."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "fsdd"
    folder = Path(os.environ.get("SPEECHNAS_FSDD", beside))
    if not (folder / "recordings").is_dir():
        pytest.skip("the FSDD recordings are not here")
    return folder


@pytest.fixture(scope="session")
def cli_cache(tmp_path_factory) -> Path:
    """The cache of the tests that run commands."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def speech(tmp_path_factory) -> Path:
    """A manifest of mixed speech, see `cli_runs`, in a folder with a space and an accent."""
    from cli_runs import mixed_speech

    return mixed_speech(tmp_path_factory.mktemp("some where é"))


@pytest.fixture(scope="session")
def finished(cli_cache, speech, tmp_path_factory) -> Path:
    """The folder of one finished search of `speech`; what it said is in ../said.txt."""
    from cli_runs import finished_search, make_small

    out = tmp_path_factory.mktemp("search") / "out"
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch, cli_cache)
        finished_search(speech, out)
    return out


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """The same to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.fixture
def small(cli_cache, monkeypatch) -> None:
    """Commands run small, see `cli_runs.make_small`; nothing stays open from the test before."""
    from cli_runs import make_small

    from speechnas_lab import jobs, work

    make_small(monkeypatch, cli_cache)
    monkeypatch.setattr(jobs, "_report", lambda units: None)
    work.opened.cache_clear()
    work.open_supernet.cache_clear()


@pytest.fixture
def run(small, capsys):
    """Run a command; give its exit status, output and error lines."""
    from speechnas_lab import cli, work

    def command(*argv: object) -> tuple[int, str, list[str]]:
        work.opened.cache_clear()
        work.open_supernet.cache_clear()
        capsys.readouterr()
        try:
            status = cli.main([str(word) for word in argv])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, [line for line in re.split(r"[\r\n]", err) if line.startswith("speechnas")]

    return command


@pytest.fixture
def refused(run):
    """Run a command that must end in exactly one line; give the line."""

    def command(*argv: object, status: int = 1) -> str:
        ended, _, lines = run(*argv)
        assert ended == status and len(lines) == 1, (ended, lines)
        return lines[0]

    return command
