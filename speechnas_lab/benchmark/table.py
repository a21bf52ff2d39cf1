"""The table itself: two Parquet files for each space inside the package, read whole, asked in microseconds.

`macro.parquet` has a row for each architecture, `macro-runs.parquet` one for each of its trainings. CARD.md says how
they were made, how noisy they are, and what they must not be used for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..space import from_json

HERE = Path(__file__).parent
FIDELITIES = (1 / 9, 1 / 3, 1.0)  # share of a full training, in the order of `Run`'s lists


@dataclass(frozen=True)
class Run:
    """One training. Rates are 0.25 for 25%; lists go over FIDELITIES; train_loss is the CTC loss of 27 stretches."""

    seed: int
    valid_wer: tuple[float, ...]
    valid_loss: tuple[float, ...]
    test_wer: float
    train_loss: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One architecture: what it costs, and every training of it, seed 0 first.

    facts: latency_ms (encoder, two seconds of speech, ONNX Runtime, one thread), energy_uj_estimated, the
    indicators of fresh weights (zero_..., higher promises more), the supernets' losses (oneshot_0 ...).
    """

    id: str
    json: str
    parameters: int
    macs: int
    bytes_int8: int
    facts: dict[str, float]
    runs: tuple[Run, ...]

    @cached_property
    def arch(self) -> Any:
        """The architecture itself, read when it is asked for."""
        return from_json(self.json)

    def wer(self, fidelity: float = 1.0, seed: int = 0) -> float:
        """Validation word error rate of one training, as a strategy may see it."""
        return self.runs[seed].valid_wer[_place(fidelity)]

    @cached_property
    def truth(self) -> float:
        """Word error rate on the blind test set, mean over the seeds: never for a strategy's eyes."""
        return float(np.mean([run.test_wer for run in self.runs]))


def _place(fidelity: float) -> int:
    for place, known in enumerate(FIDELITIES):
        if abs(fidelity - known) < 1e-6:
            return place
    raise BadInput(f"fidelity is {fidelity}; the table holds 1/9, 1/3 and 1")


class Table:
    """Everything that is known of one space, by architecture.

    >>> table = Table.open("macro")
    >>> row = table.rows[0]
    >>> table[row.arch] is row, 0 < row.wer() < 1
    (True, True)
    """

    def __init__(self, kind: str, rows: list[Row], made: dict[str, Any]) -> None:
        self.kind, self.rows, self.made = kind, rows, made
        self._by_id = {row.id: row for row in rows}

    @classmethod
    def open(cls, kind: str, folder: Path = HERE) -> Table:
        """Read the table of the space "macro" or "cell"."""
        from pyarrow.parquet import ParquetFile  # `read_table` would load the whole of pyarrow's dataset machinery

        try:
            heads, runs = (ParquetFile(folder / f"{kind}{part}.parquet").read() for part in ("", "-runs"))
        except OSError:
            raise BadInput(f"there is no table {kind!r} in {folder}; there are 'macro' and 'cell', and `speechnas "
                           "benchmark build` makes them") from None  # fmt: skip
        return cls(kind, _rows(heads.to_pylist(), runs.to_pylist()), json.loads(heads.schema.metadata[b"made"]))

    def __getitem__(self, arch: Any) -> Row:
        """The row of an architecture in canonical form. BadInput if it is not in the table."""
        try:
            return self._by_id[arch.id]
        except KeyError:
            raise BadInput(f"architecture {arch.id} is not in the table; bring it to canonical form first") from None

    def __contains__(self, arch: Any) -> bool:
        return arch.id in self._by_id

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def best(self) -> Row:
        """The row with the lowest validation error of seed 0: what a perfect search of this table finds."""
        return min(self.rows, key=lambda row: row.wer())

    def column(self, name: str) -> np.ndarray:
        """One number for each row: "valid_wer", "truth", "parameters", "macs", "bytes_int8", or one of the facts."""
        plain = {"valid_wer": Row.wer, "truth": lambda row: row.truth}
        if name in plain:
            return np.array([plain[name](row) for row in self.rows])
        if name in ("parameters", "macs", "bytes_int8"):
            return np.array([getattr(row, name) for row in self.rows])
        if name not in self.rows[0].facts:
            raise BadInput(f"the table has no column {name!r}; there are {', '.join(sorted(self.rows[0].facts))}")
        return np.array([row.facts[name] for row in self.rows])


def _rows(heads: list[dict], runs: list[dict]) -> list[Row]:
    trained: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run["seed"]):
        rates = {key: tuple(run[key]) for key in ("valid_wer", "valid_loss", "train_loss")}
        trained.setdefault(run["id"], []).append(Run(run["seed"], test_wer=run["test_wer"], **rates))
    own = ("id", "json", "parameters", "macs", "bytes_int8")
    return [Row(*(head.pop(key) for key in own), head, tuple(trained[head_id]))
            for head in heads for head_id in (head["id"],)]  # fmt: skip
