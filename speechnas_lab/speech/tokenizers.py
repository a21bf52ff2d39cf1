"""Text as numbers: whole words, word pieces or characters. Id 0 is CTC's blank in all of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import ClassVar, Self

from ..errors import BadInput

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

    def join(self, units: list[str]) -> str:
        """The text that these units spell."""
        return " ".join(units)

    @property
    def vocab_size(self) -> int:
        """Units plus the blank."""
        return len(self.units) + 1

    def encode(self, text: str, skip_unknown: bool = False) -> list[int]:
        """Ids from 1. Raises BadInput naming unknown units, unless they are to be skipped."""
        units = self.cut(text)
        unknown = sorted({unit for unit in units if unit not in self.ids})
        if unknown and not skip_unknown:
            names = ", ".join(map(repr, unknown))
            raise BadInput(f"the {self.kind} tokenizer does not know {names}: {self.advice}")
        return [self.ids[unit] for unit in units if unit in self.ids]

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

    Strings that only served to build longer ones are no units: where one is left in a new word, it is taken
    apart again. size: how many ids at most, blank included; all characters are kept even if they are more.
    256 is enough to make every word of either HomeCommands register one unit.
    """

    kind = "piece"
    advice = "remove the characters, or add them to the training texts"

    def __init__(
        self, units: Sequence[str] = (), merges: Sequence[Sequence[str]] = (), size: int = 256
    ) -> None:
        super().__init__(units)
        self.size = size
        self.merges = [(left, right) for left, right in merges]
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        self.last = len(self.merges)
        self.parts = {left + right: (left, right) for left, right in reversed(self.merges)}
        self.known: dict[str, list[str]] = {}  # word -> pieces

    def fit(self, texts: Iterable[str]) -> Self:
        """Start from characters and join the most frequent pair, again and again (ties: alphabetical)."""
        counts = Counter(START + word for text in texts for word in text.split())
        words = sorted(counts)
        cuts = [list(word) for word in words]
        used = Counter(piece for cut in cuts for piece in cut)
        alphabet = sorted(used)
        pairs: Counter[tuple[str, str]] = Counter()
        holders: defaultdict[tuple[str, str], set[int]] = defaultdict(set)  # pair -> words that have it
        for w, cut in enumerate(cuts):
            for pair in pairwise(cut):
                pairs[pair] += counts[words[w]]
                holders[pair].add(w)
        merges: list[tuple[str, str]] = []
        while pairs:
            best = min(pairs, key=lambda pair: (-pairs[pair], pair))
            after = used.copy()
            new = {w: joined(cuts[w], best) for w in sorted(holders.pop(best))}
            for w, cut in new.items():
                after.subtract(cuts[w])
                after.update(cut)
            if pairs[best] < 2 or len(set(alphabet) | set(+after)) >= self.size:
                break
            used = +after
            merges.append(best)
            for w, cut in new.items():
                for sign, pieces in ((-1, cuts[w]), (1, cut)):
                    for pair in pairwise(pieces):
                        pairs[pair] += sign * counts[words[w]]
                        if sign > 0:
                            holders[pair].add(w)
                cuts[w] = cut
            pairs = +pairs  # drop pairs that are gone
        units = alphabet + sorted(set(used) - set(alphabet))
        self.__init__(units, merges, self.size)  # type: ignore[misc]
        return self

    def cut(self, text: str) -> list[str]:
        return [piece for word in text.split() for piece in self.pieces(word)]

    def pieces(self, word: str) -> list[str]:
        """The units of a word: the merges applied in the order in which they were learned."""
        if word not in self.known:
            cut = list(START + word)
            while len(cut) > 1:
                best = min(pairwise(cut), key=lambda pair: self.rank.get(pair, self.last))
                if best not in self.rank:
                    break
                cut = joined(cut, best)
            self.known[word] = [unit for piece in cut for unit in self.apart(piece)]
        return self.known[word]

    def apart(self, piece: str) -> list[str]:
        """A piece that is no unit, in parts that are; unknown characters stay."""
        if piece in self.ids or piece not in self.parts:
            return [piece]
        return [unit for part in self.parts[piece] for unit in self.apart(part)]

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


def joined(cut: list[str], pair: tuple[str, str]) -> list[str]:
    """`cut` with every occurrence of the pair, from the left, made one piece."""
    out: list[str] = []
    i = 0
    while i < len(cut):
        hit = tuple(cut[i : i + 2]) == pair
        out.append(cut[i] + cut[i + 1] if hit else cut[i])
        i += 2 if hit else 1
    return out


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
