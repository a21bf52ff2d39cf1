"""The ten steps in order, resumable: from a corpus to a found model beside its peers."""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .away import estimate_speed
from .errors import BadInput
from .estimate import Bar, estimate, in_words
from .files import read_json, write_json, write_text
from .hardware import ESTIMATED, Profile
from .jobs import Workers
from .models.baselines import BASELINES
from .results import (
    compare,
    findings,
    measure_speed,
    model_row,
    start_export,
    winner_record,
    write_baseline,
    write_candidates,
)
from .search.lock import Lock
from .steps import (
    BUDGETS,
    REFERENCE,
    Budget,
    Limits,
    Run,
    choose_limits,
    choose_winner,
    evolve,
    fastest,
    fit_predictor,
    measure_device,
    predict_quietly,
    random_peer,
    reference,
    shortlist,
    start_supernet,
    train_model,
    tuning,
    within,
)
from .work import Source, Speech, cost, open_speech


@dataclass(frozen=True)
class Settings:
    """What decides a search, apart from the device."""

    corpus: str
    data: str | None
    budget: str
    seed: int
    limits: Limits


def run_search(
    settings: Settings,
    out: str | Path,
    profile_file: str | Path | None = None,
    device: str | None = None,
    command: str = "",
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Search for `settings`, write everything into the folder `out`, return the findings that report.html shows.

    A folder with a started search of the same settings is gone on with; of other settings, BadInput says what differs.
    `profile_file` is measured latencies from before (this or another machine); left out, this machine is measured.
    """
    from .report import write_report

    given, budget, seconds = read_profile(profile_file), BUDGETS[settings.budget], {}
    folder = open_folder(Path(out), asdict(settings) | tuning(budget))
    with alone(folder):
        told = read_json(folder / "findings.json")
        spoken = settings.corpus.startswith("homecommands")  # its length is known before it is opened
        if told is None and spoken:
            words = in_words(estimate(budget))
            say(f"This search will take {words} here, the first time half a minute more for the corpus.")
        started = time.monotonic()
        with timed(seconds, "speech"):
            source = open_source(settings, budget, progress)
            speech = open_speech(source)
        if told is None and not spoken:
            lengths = [len(features) for features in speech.examples["train"].features]
            frames = round(statistics.mean(lengths))
            say(f"This search will take {in_words(estimate(budget, frames=frames))} here.")
        keep_inputs(folder, speech, given)
        if told is None:
            for note in speech.corpus.notes:
                say(note)
            told = ten_steps(folder, source, settings, device, command, progress, say, seconds, started)
        else:
            say(f"{folder} holds a finished search; its report is {folder / 'report.html'}")
        write_report(told, folder / "report.html")
    return told


def ten_steps(
    folder: Path, source: Source, settings: Settings, device: str | None, command: str, progress: bool,
    say: Callable[[str], None], seconds: dict[str, float], started: float,
) -> dict[str, Any]:
    """The steps on opened speech, and their files; `seconds` gets how long each took."""
    budget = BUDGETS[settings.budget]
    with Workers() as workers, Bar(budget, progress, say) as bar:
        run = Run(folder, source, budget, settings.seed, workers, device, settings.limits, bar.advance, say)
        with timed(seconds, "profile"):
            bar.step(f"estimating {device}" if device in ESTIMATED else "profiling this machine")
            measured = measure_device(run)
            predictor, limits = fit_predictor(run, measured), choose_limits(run, measured)
            allowed = within(run, limits, predictor)
            fastest(run, limits, predictor, allowed)  # refuses limits that nothing meets before hours are spent
        with timed(seconds, "supernet"):
            bar.step("training the supernet, and peers beside it")
            supernet = start_supernet(run)
            peers = {name: train_model(run, name, name) for name in slowest_first(budget.peers)}
            supernet = workers.gather([supernet], bar.advance)[0]
        with timed(seconds, "search"):
            bar.step("evolution")
            found = evolve(run, supernet, limits, predictor)
        with timed(seconds, "scratch training"):
            bar.step("training the best from scratch")
            chosen = shortlist(run, found)
            entries = entrants(run, chosen, allowed, predictor)
            new = {name: arch for name, (_, arch) in entries.items() if name not in peers}
            jobs = peers | {name: train_model(run, name, arch) for name, arch in new.items()}
            results = dict(zip(jobs, workers.gather(list(jobs.values()), bar.advance), strict=True))
        with timed(seconds, "export"):
            bar.step("exporting and measuring")
            winner = choose_winner({n: results[n] for n, (kind, _) in entries.items() if kind == "finalist"})
            files = {name: start_export(run, name, arch) for name, (_, arch) in entries.items()}
            exports = dict(zip(files, workers.gather(list(files.values())), strict=True))
            speeds = measure_speed(run, {name: arch for name, (_, arch) in entries.items()}, measured.device)
            if measured.device.estimated:
                for name, told in estimate_speed(run.file("models"), entries, measured.device.name).items():
                    speeds[name] |= told
            rows = [row_of(run, name, kind, arch, winner, results, exports, speeds, predictor)
                    for name, (kind, arch) in entries.items()]
        bar.finish()
    seconds["total"] = round(time.monotonic() - started, 1)
    told = findings(run, limits, measured, predictor, found, chosen, rows, compare(run, results, winner), winner,
                    command, seconds)
    deliver(run, limits, told, rows, winner)
    return told


def open_folder(folder: Path, mine: dict[str, Any]) -> Path:
    """Make the folder or check that it belongs to the same work, as its settings.json says."""
    mine = json.loads(json.dumps(mine))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / "settings.json"
        if place.exists():
            theirs = read_json(place)
            if theirs is None:
                raise BadInput(f"{place} is damaged: choose another --out, or delete {folder} and start again")
            there, now = flat({key: theirs.get(key) for key in mine}), flat(mine)
            names = [key for key in there | now if there.get(key) != now.get(key)]
            if names:
                what = "; ".join(f"{key} {there.get(key)!r} there, {now.get(key)!r} now" for key in names)
                raise BadInput(f"{folder} holds work with other settings ({what}): choose another --out")
        elif any(file.name != "settings.json.part" for file in folder.iterdir()):
            raise BadInput(f"{folder} holds other files: choose an empty or new folder with --out")
        else:
            write_json(place, mine)
    except OSError as error:
        raise BadInput(f"cannot write to {folder} ({error.strerror or error}): choose another --out") from None
    return folder


def flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values by dotted names: {"limits": {"bytes": 5}} becomes {"limits.bytes": 5}."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time works in a folder; a process that died does not block it."""
    lock = Lock(folder / "running.lock")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_profile(file: str | Path | None) -> str | None:
    """The text of a profile, checked; None if none is given."""
    if file is None:
        return None
    try:
        text = Path(file).read_text(encoding="utf-8")
        Profile.from_json(text)
    except OSError as error:
        raise BadInput(f"cannot read the profile {file} ({error.strerror}): check --profile") from None
    except ValueError as error:
        raise BadInput(f"{file}: {error}") from None
    return text


def keep_inputs(folder: Path, speech: Speech, profile: str | None = None) -> None:
    """What comes from outside must stay the same in a folder: the speech, and a given profile."""
    place, mine = folder / "settings.json", speech.corpus.fingerprint
    known = read_json(place) or {}
    if known.get("fingerprint", mine) != mine:
        changed = f"{known['corpus']} has changed since"
        raise BadInput(f"{folder} holds work on other speech: {changed}; choose another --out")
    write_json(place, known | {"fingerprint": mine})
    kept = folder / "profile.json"
    if profile is not None and kept.exists() and kept.read_text(encoding="utf-8") != profile:
        raise BadInput(f"{folder} holds a search with another profile: choose another --out, or leave out --profile")
    if profile is not None:
        write_text(kept, profile)


def open_source(settings: Settings, budget: Budget, progress: bool = False) -> Source:
    """How the speech is read: the coarsest time resolution at which nearly all training utterances can be spelt."""
    from .work import choose_tokenizer, load_corpus

    corpus = load_corpus(settings.corpus, data=settings.data, seed=0, size=budget.corpus_size)
    tokens = choose_tokenizer(corpus).to_json()
    source = Source(settings.corpus, settings.data, budget.corpus_size, tokens, 8)
    try:
        open_speech(source, progress)
    except BadInput as error:
        if "too short for CTC" not in str(error):
            raise
        source = Source(settings.corpus, settings.data, budget.corpus_size, tokens, 4)
        open_speech(source, progress)
    return source


def slowest_first(peers: Sequence[str]) -> list[str]:
    """The hand-designed networks that take longer than an architecture: they keep the second core busy meanwhile."""
    return sorted((name for name in peers if cost(name) > cost("{")), key=cost, reverse=True)


def entrants(run: Run, chosen: list, allowed: Callable, predictor: Any) -> dict[str, tuple[str, str]]:
    """Everything that is trained from scratch: name -> (kind, architecture's JSON or hand-designed name)."""
    space = run.space
    found = [space.canonical(trial.arch) for trial in chosen]
    entries = {arch.id: ("finalist", arch.to_json()) for arch in found}
    lucky = random_peer(run, chosen[0].parts["latency_ms"], allowed, predictor, found)
    entries.setdefault(lucky.id, ("random", lucky.to_json()))
    return entries | {name: ("hand-designed", name) for name in BASELINES if name in run.budget.peers}


def row_of(run, name, kind, arch, winner, results, exports, speeds, predictor) -> dict[str, Any]:  # noqa: ANN001
    """One model's line in the comparison."""
    from .space import Architecture

    measured = "latency_estimated_ms" not in speeds[name]  # else the roofline itself is asked for each model
    asked = [Architecture.from_json(arch)] if arch[0] == "{" and measured else []
    predicted = float(predict_quietly(predictor, asked)[0]) if asked else None
    kind = "found" if name == winner else kind
    shown = reference(run.source).to_json() if name == REFERENCE else arch
    return model_row(name, kind, shown, results[name], exports[name], speeds[name], predicted)


def deliver(run: Run, limits: Limits, told: dict, rows: list[dict], winner: str) -> None:
    """Put the winner's files where a user looks for them."""
    row = next(row for row in rows if row["name"] == winner)
    place = run.file("models") / winner
    shutil.copyfile(place / "model.onnx", run.file("winner.onnx"))
    shutil.copyfile(place / "model.int8.onnx", run.file("winner.int8.onnx"))
    write_candidates(run.file("candidates.csv"), rows)
    write_baseline(run, row)
    write_json(run.file("winner.json"), winner_record(run, limits, row))
    write_json(run.file("findings.json"), told)


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - start, 1)


def repeat_command(argv: list[str]) -> str:
    """The command line that does the same again."""
    return shlex.join(["speechnas", *argv])
