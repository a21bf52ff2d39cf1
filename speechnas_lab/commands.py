"""What each command does, once its options are read."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from .errors import BadInput
from .files import read_json, write_text


def search(arguments: argparse.Namespace, argv: list[str]) -> None:
    """The whole search."""
    from .pipeline import Settings, repeat_command, run_search
    from .steps import Limits

    limits = Limits(arguments.max_latency, _whole(arguments.max_bytes), _whole(arguments.max_memory))
    settings = Settings(*whole_paths(arguments), arguments.budget, arguments.seed, limits)
    told = run_search(settings, arguments.out, arguments.profile, arguments.device, repeat_command(argv))
    row = next(row for row in told["models"] if row["name"] == told["winner"])
    low, high = 100 * row["wer_low"], 100 * row["wer_high"]
    print(f"winner {row['name']}: WER {100 * row['wer']:.1f}% ({low:.1f} to {high:.1f}), RTF {row['rtf']:.4f}, "
          f"{row['bytes_int8']:,} bytes in int8. Read {Path(arguments.out) / 'report.html'}")
    if "latency_estimated_ms" in row:
        latency, energy = f"{row['latency_estimated_ms']:.3g} ms", f"{row['energy_away_estimated_mj']:.3g} mJ"
        print(f"on {told['device']['name']}: latency {latency} (estimated) for two seconds of speech, energy {energy} "
              f"(estimated) for one. {told['device']['note']}")


def train(arguments: argparse.Namespace, argv: list[str]) -> None:
    """One network from scratch."""
    from tqdm import tqdm

    from . import jobs
    from .pipeline import alone, keep_inputs, open_folder
    from .steps import BUDGETS
    from .training import Recipe
    from .work import Source, cost, open_speech, train_alone

    budget = BUDGETS[arguments.budget]
    path = Path(arguments.network)
    name = read_architecture(path).to_json() if path.is_file() else arguments.network
    if name == arguments.network:
        from .models import BASELINES

        if name not in BASELINES:
            raise BadInput(f"there is no network or file {name!r}: use {', '.join(BASELINES)}, or a JSON file")
    source = Source(*whole_paths(arguments), budget.corpus_size)
    recipe = Recipe(steps=budget.scratch_steps, seed=arguments.seed)
    folder = open_folder(Path(arguments.out), {"network": name, "recipe": asdict(recipe), **asdict(source)})
    with alone(folder):
        speech = open_speech(source)
        keep_inputs(folder, speech)
        for note in speech.corpus.notes:
            print(note)
        with tqdm(total=recipe.steps, desc="training", unit="step") as bar:
            jobs.on_tick(lambda units: bar.update(round(units / cost(name))))
            result = train_alone(source, name, recipe, arguments.out)
    test = result["test"]
    print(f"WER {100 * test['wer']:.1f}% ({100 * test['low']:.1f} to {100 * test['high']:.1f}, over {test['unit']})")


def profile(arguments: argparse.Namespace, argv: list[str]) -> None:
    """Latencies on a device at hand or, by a kit, on one far away."""
    from .profile_command import profile

    profile(arguments)


def export(arguments: argparse.Namespace, argv: list[str]) -> None:
    """ONNX files of a trained network."""
    from .hardware import export_onnx, quantize_dynamic, store_half, stored_bytes
    from .hardware.drift.baseline import measure_baseline
    from .results import model_facts
    from .work import Source, open_speech, trained

    folder = Path(arguments.folder)
    if (folder / "winner.json").exists():
        folder = folder / "models" / read_architecture(folder / "winner.json").id
    result = read_json(folder / "result.json") or {}
    if not {"name", "source"} <= result.keys():
        raise BadInput(f"there is no trained network in {arguments.folder}: give a folder that train or search wrote")
    writable(Path(arguments.out))
    source = Source(**result["source"])
    whole = export_onnx(trained(source, result["name"], folder), Path(arguments.out),
                        metadata=model_facts(open_speech(source)))
    half = store_half(whole.path, whole.path.with_suffix(".fp16.onnx"))
    small = quantize_dynamic(whole.path, whole.path.with_suffix(".int8.onnx"))
    print(f"{whole.path}: opset {whole.opset}, {whole.file_bytes:,} bytes, "
          f"differs from torch by {whole.largest_error:.1e}")
    for path in (half, small):
        share = stored_bytes(path) / whole.stored_bytes
        print(f"{path}: {path.stat().st_size:,} bytes, weights {share:.0%} of float32's")
    beside = whole.path.with_suffix(".baseline.json")
    measure_baseline(whole.path, model=result["name"] if len(result["name"]) < 80 else folder.name).write(beside)
    print(f"{beside}: how long it takes here, for speechnas monitor")


def benchmark(arguments: argparse.Namespace, argv: list[str]) -> None:
    """Our own table."""
    from .files import write_json

    out, table = Path(arguments.out), Path(arguments.table) if arguments.table else None
    if arguments.action == "build":
        from .benchmark.build import build

        out.mkdir(parents=True, exist_ok=True)
        folder = table or out / "table"
        build(out, folder, arguments.workers, {"macro": arguments.macro, "cell": arguments.cell})
        print(f"the tables are in {folder}")
    elif arguments.action == "compare":
        from .benchmark.compare import compare
        from .benchmark.table import HERE

        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "compare.json", compare(table or HERE, arguments.seeds, arguments.workers))
        print(out / "compare.json")
    else:
        from .benchmark import Table, describe
        from .benchmark.table import HERE

        print(json.dumps({kind: describe(Table.open(kind, table or HERE)) for kind in ("macro", "cell")}, indent=1))


def corpus(arguments: argparse.Namespace, argv: list[str]) -> None:
    """WAV files and a manifest."""
    from .speech import export_corpus, load_corpus
    from .steps import BUDGETS

    writable(Path(arguments.out) / "manifest.csv")
    size = BUDGETS[arguments.budget].corpus_size
    spoken = load_corpus(arguments.corpus, data=arguments.data, seed=arguments.seed, size=size)
    for note in spoken.notes:
        print(note)
    manifest = export_corpus(spoken, Path(arguments.out))
    print(f"{len(spoken.utterances)} utterances in {manifest}")


def grade(arguments: argparse.Namespace, argv: list[str]) -> None:
    """One's own exercises or a class, marked; or a new exercise."""
    if arguments.new:
        from .grading.writing.status import new

        for line in new(arguments.new):
            print(line, flush=True)
        return
    from .files import write_json
    from .grading import own

    if arguments.json:
        writable(Path(arguments.json))
    if arguments.out:
        from .grading.classes.command import grade as grade_class

        grade_class(arguments)
        return
    limits = own.Limits(arguments.time or own.Limits.seconds, arguments.memory or own.Limits.memory)
    results = []
    print(own.HEAD)
    for result in own.grade(Path(arguments.path), limits):
        results.append(result)
        print(own.row(result), flush=True)
    points, most = sum(result.points for result in results), sum(result.max for result in results)
    print(f"{'together':18}{points:>4} /{most:>2}")
    if arguments.json:
        write_json(Path(arguments.json), own.as_json(results))


def monitor(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Latencies watched: 3 when a drift was found, else 0."""
    from .hardware.drift import words
    from .hardware.drift.baseline import Baseline, make_baseline, quality
    from .hardware.drift.page import page
    from .hardware.drift.watch import Watch, probed

    smallest = arguments.smallest / 100
    outputs = [Path(file) for file in (arguments.page, arguments.prometheus, arguments.state, arguments.make_baseline)
               if file]
    for path in outputs:
        writable(path)
    if arguments.make_baseline:
        made = make_baseline(arguments.timings, arguments.probe)
        print(quality(made, smallest))
        made.write(arguments.make_baseline)
        return 0
    watch, found, kept = Watch(Baseline.read(arguments.baseline), smallest, arguments.state), 0, time.monotonic()

    def keep() -> None:
        watch.keep()
        for path, write in ((arguments.page, page), (arguments.prometheus, words.prometheus)):
            if path:
                write_text(Path(path), write(watch))

    samples = (probed(arguments.probe, arguments.seconds or 10.0) if arguments.probe else
               watch.lines(arguments.timings, arguments.follow, arguments.seconds))
    try:
        for latencies, times in samples:
            changes = watch.take(latencies, times)
            for change in changes:
                print(words.told(change, watch.monitor.baseline.half), flush=True)
                found += not change.settled
            if changes or time.monotonic() > kept + 5:
                keep()
                kept = time.monotonic()
    except KeyboardInterrupt:
        if not arguments.follow:
            raise
    if not watch.monitor.seen and not arguments.follow:
        raise BadInput(f"{words.summary(watch)} in {arguments.timings or arguments.probe}: nothing to watch")
    keep()
    print(words.summary(watch))
    return 3 if found else 0


def doctor(arguments: argparse.Namespace, argv: list[str]) -> None:
    """`speechnas doctor`"""
    from .doctor import examine

    if not examine():
        raise BadInput("something that the course needs is missing; the arrows above say how to mend it")


def reproduce(arguments: argparse.Namespace, argv: list[str]) -> None:
    """A figure of the README, made again."""
    from .reproduce import run

    run(arguments.name, Path(arguments.out), arguments.workers, Path(arguments.search) if arguments.search else None)


def read_architecture(path: Path):  # noqa: ANN201
    """An architecture from its own JSON or from a winner.json."""
    from .space import from_json

    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read an architecture from {path} ({error}): give a winner.json") from None
    return from_json(json.dumps(data.get("architecture", data) if isinstance(data, dict) else data))


def whole_paths(arguments: argparse.Namespace) -> tuple[str, str | None]:
    """The corpus and the folder of its recordings, so that they hold wherever the next command is run."""
    corpus, data = arguments.corpus, arguments.data
    return os.path.abspath(corpus) if os.path.isfile(corpus) else corpus, os.path.abspath(data) if data else None


def writable(path: Path) -> None:
    """Refuse a place that cannot be written before the work starts, not after it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise PermissionError(0, "a folder, or in a folder that you may not write to")
    except OSError as error:
        raise BadInput(f"cannot write to {path} ({error.strerror}): choose another --out") from None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
