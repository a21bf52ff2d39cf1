"""Text as numbers: whole words, word pieces or characters. Id 0 is CTC's blank in all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from ..errors import BadInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer, models

START = "\u2581"  # stands for the space before a word, as in SentencePiece


class WordTokenizer:
    """One id for each word of the training texts."""

    kind: ClassVar[str] = "word"
    advice: ClassVar[str] = "use piece or char tokens, or add the word to the training texts"

    def __init__(self, units: Sequence[str] = ()) -> None:
        self.units = list(units)  # unit i has id i + 1
        self.ids = {unit: i + 1 for i, unit in enumerate(self.units)}
        if len(self.ids) != len(self.units):
            raise BadInput(f"the {self.kind} tokenizer's units are not all different: fit it again")

    def fit(self, texts: Iterable[str]) -> Self:
        """Learn the units of these texts, in alphabetical order. Returns self."""
        self.__init__(sorted({unit for text in texts for unit in self.cut(text)}))  # type: ignore[misc]
        return self

    def cut(self, text: str) -> list[str]:
        """The text's units, known or not."""
        return text.split()

    def unknown(self, text: str) -> list[str]:
        """The parts of the text that no unit stands for, in alphabetical order."""
        return sorted(set(self.cut(text)) - self.ids.keys())

    def join(self, units: list[str]) -> str:
        """The text that these units spell."""
        return " ".join(units)

    @property
    def vocab_size(self) -> int:
        """Units plus the blank."""
        return len(self.units) + 1

    def encode(self, text: str, skip_unknown: bool = False) -> list[int]:
        """Ids from 1. Raises BadInput naming unknown units, unless they are to be skipped."""
        unknown = self.unknown(text)
        if unknown and not skip_unknown:
            names = ", ".join(map(repr, unknown))
            raise BadInput(f"the {self.kind} tokenizer does not know {names}: {self.advice}")
        return [self.ids[unit] for unit in self.cut(text) if unit in self.ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids; blanks are ignored. Raises BadInput for an id that does not exist."""
        chosen = list(ids)
        for i in chosen:
            if not 0 <= i < self.vocab_size:
                raise BadInput(f"id {i} is not in 0 to {self.vocab_size - 1}: take the model's own tokenizer")
        return " ".join(self.join([self.units[i - 1] for i in chosen if i]).split())

    def to_json(self) -> str:
        """Everything needed to make this tokenizer again."""
        return json.dumps({"kind": self.kind, "units": self.units}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises BadInput if the text is not of this kind."""
        return cls(**parsed(text, cls.kind, ("units",)))


class CharTokenizer(WordTokenizer):
    """One id for each character, the space included."""

    kind = "char"
    advice = "remove the characters, or add them to the training texts"

    def cut(self, text: str) -> list[str]:
        return list(" ".join(text.split()))

    def join(self, units: list[str]) -> str:
        return "".join(units)


class PieceTokenizer(WordTokenizer):
    """Byte-pair encoding (Sennrich et al. 2016): frequent strings inside words, and every single character.

    The `tokenizers` library learns and applies the merges. size: how many ids at most, blank included; all
    characters are kept even if they are more.
    """

    kind = "piece"
    advice = "remove the characters, or add them to the training texts"

    def __init__(
        self, units: Sequence[str] = (), merges: Sequence[Sequence[str]] = (), size: int = 256
    ) -> None:
        from tokenizers import models

        super().__init__(units)
        self.size = size
        self.merges = [(left, right) for left, right in merges]
        try:
            self.splitter = splitter(models.BPE(self.ids, self.merges))
        except Exception as error:  # the library raises no narrower class
            raise BadInput(
                f"the piece tokenizer's merges do not fit its units ({error}): fit it again"
            ) from error

    def fit(self, texts: Iterable[str]) -> Self:
        """Start from characters and join the most frequent pair, again and again (ties: earliest units)."""
        from tokenizers import models, trainers

        learner = splitter(models.BPE())
        trainer = trainers.BpeTrainer(vocab_size=self.size - 1, min_frequency=2, show_progress=False)
        learner.train_from_iterator((" ".join(text.split()) for text in texts), trainer)
        model = json.loads(learner.to_str())["model"]
        units = sorted(model["vocab"], key=model["vocab"].__getitem__)
        self.__init__(units, model["merges"], self.size)  # type: ignore[misc]
        return self

    def cut(self, text: str) -> list[str]:
        return self.splitter.encode(" ".join(text.split())).tokens

    def unknown(self, text: str) -> list[str]:
        return sorted(set("".join(text.split())) - self.ids.keys())

    def join(self, units: list[str]) -> str:
        return "".join(units).replace(START, " ")

    def to_json(self) -> str:
        fields = {"kind": self.kind, "units": self.units, "merges": self.merges, "size": self.size}
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**parsed(text, cls.kind, ("units", "merges", "size")))


KINDS: dict[str, type[WordTokenizer]] = {t.kind: t for t in (WordTokenizer, PieceTokenizer, CharTokenizer)}


def make_tokenizer(kind: str, texts: Iterable[str]) -> WordTokenizer:
    """A fitted tokenizer. kind: "word", "piece" (256 ids at most) or "char". texts: those of training."""
    if kind not in KINDS:
        raise BadInput(f"there is no tokenizer {kind!r}: use one of {', '.join(KINDS)}")
    return KINDS[kind]().fit(texts)


def tokenizer_from_json(text: str) -> WordTokenizer:
    """The tokenizer that `to_json` of any kind wrote."""
    kind = parsed(text, None, ())["kind"]
    if kind not in KINDS:
        raise BadInput(f"there is no tokenizer {kind!r}: use one of {', '.join(KINDS)}")
    return KINDS[kind].from_json(text)


def splitter(model: models.BPE) -> Tokenizer:
    """The library's tokenizer around a model: words are cut apart first, each with its mark in front."""
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=START, prepend_scheme="always")
    return tokenizer


def parsed(text: str, kind: str | None, fields: tuple[str, ...]) -> dict:
    """The named fields of a tokenizer's JSON; with no kind given, only its kind."""
    try:
        whole = json.loads(text)
    except ValueError as error:
        raise BadInput(f"this is not a tokenizer's JSON ({error}): write it with to_json") from error
    if not isinstance(whole, dict) or "kind" not in whole:
        raise BadInput("this is not a tokenizer's JSON: the field kind is missing; write it with to_json")
    if kind is None:
        return {"kind": whole["kind"]}
    if whole["kind"] != kind:
        raise BadInput(f"this is a {whole['kind']} tokenizer, not {kind}: use tokenizer_from_json")
    missing = [field for field in fields if field not in whole]
    if missing:
        raise BadInput(f"the tokenizer's JSON lacks {', '.join(missing)}: write it with to_json")
    return {field: whole[field] for field in fields}
