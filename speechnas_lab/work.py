"""What a worker process does in a search: train one network, score architectures with the supernet.

Each function takes plain values, so that it can be sent to another process, and gives the same answer in whichever
process and order it runs. What a process has opened once (speech, supernet) it keeps.
"""

from __future__ import annotations

import io
import random
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from .errors import BadInput
from .files import read_json, write_bytes, write_json
from .jobs import tick
from .models.baselines import baseline
from .models.network import Recogniser, build
from .oneshot.sampling import Sandwich
from .oneshot.supernet import Supernet
from .space import Architecture, MobileConformerSpace, from_json
from .speech import Corpus, Examples, load_corpus, make_tokenizer, prepare, tokenizer_from_json
from .training.batches import Batch, collate, in_length_order
from .training.evaluation import Heard, evaluate
from .training.loop import read_tensors, train
from .training.losses import ctc_loss, mean_of_finite
from .training.recipe import Recipe

# What one training step costs against one of the reference network of `estimate` (measured on two cores).
COSTS = {"conformer-large": 5.5, "conformer-small": 1.2, "quartznet": 1.8, "jasper": 1.4, "lstm": 1.0,
         "supernet": 2.7, "path": 1.4}
VALIDATION = 48  # utterances that score an architecture in the supernet, in one batch


def cost(name: str) -> float:
    """Cost of a step of a hand-designed network, of the supernet, of scoring a path; an architecture costs 1.1."""
    return COSTS.get(name, 1.1)


@dataclass(frozen=True)
class Source:
    """Which speech, read how: enough for any process to open the same examples."""

    corpus: str
    data: str | None
    size: str
    tokenizer: str = ""  # JSON; empty: chosen by the corpus
    output_reduction: int = 8
    seed: int = 0  # of a manifest's split by speaker


@dataclass
class Speech:
    """A corpus made ready for training."""

    corpus: Corpus
    tokenizer: Any
    examples: dict[str, Examples]
    frame_labels: int  # classes of the auxiliary frame loss, 0 where the corpus marks no phonemes


def open_speech(source: Source, progress: bool = False) -> Speech:
    """The examples of every split; `progress` shows a bar where the features are not in the cache yet."""
    return opened(source, Shown(progress))


@dataclass(frozen=True)
class Shown:
    """Whether progress is shown: no part of what `opened` is remembered by."""

    bar: bool = field(compare=False)


@lru_cache(maxsize=2)
def opened(source: Source, shown: Shown) -> Speech:
    """What `open_speech` gives, made once in a process."""
    corpus = load_corpus(source.corpus, data=source.data, seed=source.seed, size=source.size)
    tokenizer = tokenizer_from_json(source.tokenizer) if source.tokenizer else choose_tokenizer(corpus)
    examples = prepare(corpus, tokenizer, source.output_reduction, progress=shown.bar)
    return Speech(corpus, tokenizer, examples, len(corpus.label_names))


def choose_tokenizer(corpus: Corpus) -> Any:
    """Whole words where training has heard them all and they are few, else word pieces."""
    words = {word for u in corpus.split("train") for word in u.text.split()}
    asked = {word for split in ("valid_weights", "valid") for u in corpus.split(split) for word in u.text.split()}
    kind = "word" if asked <= words and len(words) <= 500 else "piece"
    return make_tokenizer(kind, [u.text for u in corpus.split("train")])


def fresh(name: str, speech: Speech, seed: int) -> Recogniser:
    """A network with fresh weights: `name` is a hand-designed network's, or the JSON of an architecture or a cell."""
    torch.manual_seed(seed)
    sizes = {"input_dim": speech.examples["train"].features[0].shape[1], "vocab_size": speech.tokenizer.vocab_size}
    return build(from_json(name), **sizes) if name.startswith("{") else baseline(name, **sizes)


def train_alone(source: Source, name: str, recipe: Recipe, folder: str, tests: bool = True) -> dict[str, Any]:
    """Train one network from scratch; return what it hears. The same work, finished in `folder`, is not done again."""
    place = Path(folder)
    done, key = place / "result.json", {"name": name, "source": asdict(source), "recipe": asdict(recipe)}
    known = read_json(done)
    if known and same_work(known, key) and (not tests or "test" in known) and read_tensors(place / "weights.pt"):
        tick(recipe.steps * cost(name))
        return known
    for stale in (done, place / "export.json"):  # they speak of other weights than those to come
        stale.unlink(missing_ok=True)
    speech = open_speech(source)
    network = fresh(name, speech, recipe.seed)
    recipe = recipe.sized(sum(p.numel() for p in network.parameters()))
    losses = train(network, speech.examples["train"], recipe, speech.frame_labels,
                   checkpoint=place / "checkpoint.pt", tick=lambda *_: tick(cost(name)))
    result: dict[str, Any] = {"key": key, "name": name, "source": asdict(source), "seed": recipe.seed,
                              "recipe": asdict(recipe),
                              "loss": [round(parts["ctc"], 4) for parts in losses[:: max(1, len(losses) // 100)]],
                              "parameters": sum(p.numel() for p in network.parameters())}
    for split in ("valid", "test") if tests else ("valid",):
        heard = evaluate(network, speech.examples[split], speech.tokenizer)
        result[split] = told(heard)
    write_weights(place / "weights.pt", network)
    write_json(done, result)
    (place / "checkpoint.pt").unlink(missing_ok=True)
    return result


def same_work(known: dict[str, Any], key: dict[str, Any]) -> bool:
    """Whether a result was asked for with `key`. Results of earlier versions hold no key, but most of what is in it."""
    if "key" in known:
        return known["key"] == key
    recipe = known.get("recipe")
    steps = recipe.get("steps") if isinstance(recipe, dict) else None
    asked = (key["name"], key["source"], key["recipe"]["seed"], key["recipe"]["steps"])
    return (known.get("name"), known.get("source"), known.get("seed"), steps) == asked


def told(heard: Heard) -> dict[str, Any]:
    """A `Heard` as plain values: error rate with interval, loss, and each hypothesis for paired comparisons."""
    interval = heard.interval()
    return {"wer": interval.value, "low": interval.low, "high": interval.high, "unit": interval.unit,
            "loss": heard.loss, "hypotheses": heard.hypotheses}


def trained(source: Source, name: str, folder: str | Path) -> Recogniser:
    """The network that `train_alone` left in `folder`, ready to listen."""
    network, place = fresh(name, open_speech(source), 0), Path(folder) / "weights.pt"
    return load_weights(network, place).eval()


def write_weights(path: Path, network: torch.nn.Module) -> None:
    """Tensors only; the file appears whole or not at all."""
    stream = io.BytesIO()
    torch.save(network.state_dict(), stream)
    write_bytes(path, stream.getvalue())


def load_weights(network: Any, path: Path) -> Any:
    """Fill a network with the weights of a file. BadInput if they are not of this network."""
    found = read_tensors(path)
    try:
        network.load_state_dict(found or {})
    except RuntimeError:
        why = "of another network" if found else "missing or damaged"
        raise BadInput(f"the weights {path} are {why}: delete the file and run the same command again") from None
    return network


def train_supernet(source: Source, preset: str, recipe: Recipe, rule: Sandwich, folder: str) -> str:
    """Train the supernet by the sandwich rule; return the file of its weights. supernet.json says what made them."""
    done, about = Path(folder) / "supernet.pt", Path(folder) / "supernet.json"
    key = {"source": asdict(source), "preset": preset, "recipe": asdict(recipe), "rule": asdict(rule)}
    if read_json(about) != key or read_tensors(done) is None:
        about.unlink(missing_ok=True)
        speech = open_speech(source)
        torch.manual_seed(recipe.seed)
        supernet = fresh_supernet(source, preset)
        train(supernet, speech.examples["train"], recipe, speech.frame_labels, rule,
              checkpoint=Path(folder) / "supernet-checkpoint.pt", tick=lambda *_: tick(cost("supernet")))
        write_weights(done, supernet)
        write_json(about, key)
        (Path(folder) / "supernet-checkpoint.pt").unlink(missing_ok=True)
    else:
        tick(recipe.steps * cost("supernet"))
    return str(done)


def fresh_supernet(source: Source, preset: str) -> Supernet:
    """A supernet of the preset's space for this speech."""
    speech = open_speech(source)
    bands = speech.examples["train"].features[0].shape[1]
    space = MobileConformerSpace(preset, output_reduction=source.output_reduction)
    return Supernet(space, input_dim=bands, vocab_size=speech.tokenizer.vocab_size)


@lru_cache(maxsize=1)
def open_supernet(source: Source, preset: str, path: str) -> tuple[Supernet, list[Batch], list[Batch]]:
    """The trained supernet, batches to calibrate its statistics, and batches to score it."""
    supernet = fresh_supernet(source, preset)
    load_weights(supernet, Path(path))
    examples = open_speech(source).examples
    return supernet.eval(), some_batches(examples["train"], 16, 16), some_batches(examples["valid"], VALIDATION, 48)


def some_batches(examples: Examples, count: int, size: int) -> list[Batch]:
    """`count` utterances, the same each time, in batches of like length."""
    rows = list(range(len(examples)))
    random.Random(0).shuffle(rows)
    some = examples.subset(sorted(rows[:count]))
    return [collate(some, rows) for rows in in_length_order(some, size)]


def score_paths(source: Source, preset: str, path: str, archs: list[str]) -> list[float]:
    """For each architecture, the mean CTC loss of its path on the validation speech for architectures."""
    supernet, calibration, batches = open_supernet(source, preset, path)
    return path_losses(supernet, [Architecture.from_json(arch) for arch in archs], calibration, batches)


@torch.no_grad()
def path_losses(supernet: Any, archs: list[Any], calibration: list[Batch], batches: list[Batch]) -> list[float]:
    """The mean CTC loss of each architecture's path, its running statistics made anew first."""
    scores = []
    for arch in archs:
        supernet.activate(arch)
        supernet.calibrate(calibration)
        losses = [ctc_loss(*supernet(b.features, b.lengths), b) for b in batches]
        scores.append(mean_of_finite(torch.cat(losses)))
        tick(cost("path"))
    return scores
