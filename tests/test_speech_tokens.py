"""Tokenizers, CTC decoding and flat alignments."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections import Counter

import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.speech import (
    CharTokenizer,
    PieceTokenizer,
    WordTokenizer,
    flat_start_labels,
    greedy_decode,
    make_tokenizer,
    tokenizer_from_json,
)

TEXTS = ["turn on the light", "turn off the lights", "the night light is on", "café noir"]


@pytest.mark.parametrize("kind", ["word", "piece", "char"])
def test_round_trips(kind):
    tokenizer = make_tokenizer(kind, TEXTS)
    again = tokenizer_from_json(tokenizer.to_json())
    assert type(again) is type(tokenizer) and again.to_json() == tokenizer.to_json()
    assert make_tokenizer(kind, TEXTS[::-1]).to_json() == tokenizer.to_json()
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert ids == again.encode(text) and all(0 < i < tokenizer.vocab_size for i in ids)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode([0, *ids, 0]) == text
    assert tokenizer.encode("") == [] and tokenizer.decode([]) == ""


@pytest.mark.parametrize(
    ("kind", "text", "unknown"),
    [
        ("word", "turn the key", "'key'"),
        ("char", "turn € z", "'z', '€'"),
        ("piece", "turn € z", "'z', '€'"),
    ],
)
def test_unknown_units_are_named(kind, text, unknown):
    tokenizer = make_tokenizer(kind, TEXTS)
    with pytest.raises(BadInput, match=f"does not know {unknown}: "):
        tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text, skip_unknown=True)).startswith("turn")


def test_characters_and_words_by_hand():
    assert (
        CharTokenizer().fit(["b a"]).encode("ab ") == [2, 3] and CharTokenizer().fit(["b a"]).vocab_size == 4
    )
    words = WordTokenizer().fit(["go left", "go"])
    assert words.vocab_size == 3 and words.encode("left go go") == [2, 1, 1]


def test_pieces_by_hand():
    """low x5, lower x2, lowest x1: "lo" 8 times, then "low", then "▁low" before "we"."""
    pieces = PieceTokenizer(size=12).fit(["low low low low low", "lower lower", "lowest"])
    assert pieces.merges == [("l", "o"), ("\u2581", "lo"), ("\u2581lo", "w")]
    assert pieces.units == ["e", "l", "o", "r", "s", "t", "w", "\u2581", "lo", "\u2581lo", "\u2581low"]
    for word, wanted in (("lowest", "\u2581low e s t"), ("slow", "\u2581 s lo w"), ("low", "\u2581low")):
        assert [pieces.units[i - 1] for i in pieces.encode(word)] == wanted.split()


def slow_merges(texts: list[str], count: int) -> list[tuple[str, str]]:
    """Byte-pair encoding with everything counted anew each time; ties go to the units that came first."""
    words = [list("\u2581" + word) for text in texts for word in text.split()]
    place = {unit: i for i, unit in enumerate(sorted({c for word in words for c in word}))}
    merges = []
    for _ in range(count):
        pairs = Counter(pair for word in words for pair in itertools.pairwise(word))
        best = min(pairs, key=lambda p: (-pairs[p], place[p[0]], place[p[1]]))
        merges.append(best)
        place.setdefault("".join(best), len(place))
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def test_pieces_agree_with_counting_anew():
    rng = random.Random(0)
    texts = [" ".join("".join(rng.choices("abc", k=rng.randint(1, 7))) for _ in range(5)) for _ in range(40)]
    pieces = PieceTokenizer(size=60).fit(texts)
    assert pieces.vocab_size == 60 and pieces.units[:4] == ["a", "b", "c", "\u2581"]
    assert pieces.merges == slow_merges(texts, len(pieces.merges))
    assert PieceTokenizer(size=60).fit(texts[::-1]).to_json() == pieces.to_json()


def test_pieces_are_the_same_in_another_process():
    code = (
        "from speechnas_lab.speech import PieceTokenizer; "
        f"print(ascii(PieceTokenizer(size=40).fit({TEXTS!r} * 5).to_json()))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ascii(PieceTokenizer(size=40).fit(TEXTS * 5).to_json())


def test_frequent_words_become_one_piece():
    tokenizer = make_tokenizer("piece", TEXTS * 5)
    assert len(tokenizer.encode("turn on \t the  light ")) == 4
    assert tokenizer.decode(tokenizer.encode("noon")) == "noon"  # never seen: spelled by parts


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "word"}', '{"kind": "tree", "units": []}'])
def test_damaged_json_is_refused(text):
    with pytest.raises(BadInput):
        tokenizer_from_json(text)


def test_other_mistakes():
    with pytest.raises(BadInput, match="word, piece, char"):
        make_tokenizer("sentence", TEXTS)
    with pytest.raises(BadInput, match="is a word tokenizer"):
        PieceTokenizer.from_json(make_tokenizer("word", TEXTS).to_json())
    with pytest.raises(BadInput, match="id 99"):
        make_tokenizer("word", ["a"]).decode([99])
    with pytest.raises(BadInput, match="not all different"):
        WordTokenizer.from_json(json.dumps({"kind": "word", "units": ["a", "a"]}))
    damaged = json.loads(make_tokenizer("piece", TEXTS * 5).to_json())
    damaged["units"].pop()
    with pytest.raises(BadInput, match="merges do not fit its units"):
        PieceTokenizer.from_json(json.dumps(damaged))


def collapse(path: list[int]) -> list[int]:
    return [k for k, _ in itertools.groupby(path) if k]


def test_greedy_decoding_collapses_paths():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 15, 3, generator=generator)
    lengths = torch.randint(0, 16, (20,), generator=generator)
    wanted = [collapse(path[:n].tolist()) for path, n in zip(logits.argmax(-1), lengths, strict=True)]
    assert greedy_decode(logits, lengths) == wanted
    assert greedy_decode(logits.numpy(), lengths.numpy()) == wanted
    one_hot = torch.nn.functional.one_hot(torch.tensor([[1, 1, 0, 1, 2, 2]]), 3)
    assert greedy_decode(one_hot, torch.tensor([6])) == [[1, 1, 2]]
    assert greedy_decode(one_hot, torch.tensor([2])) == [[1]]


def flat(tokens: list[int], frames: int) -> list[int]:
    batch = torch.tensor([tokens], dtype=torch.int64)
    return flat_start_labels(batch, torch.tensor([len(tokens)]), torch.tensor([frames]), frames)[0].tolist()


def test_flat_labels_by_hand():
    assert flat([7, 8, 9], 6) == [7, 7, 8, 8, 9, 9]
    assert flat([7, 8], 5) == [7, 7, 7, 8, 8]
    assert flat([7, 8, 9], 2) == [7, 8]
    assert flat([], 3) == [-1, -1, -1]
    tokens, frames = torch.tensor([[7, 8, 0], [4, 5, 6]]), torch.tensor([4, 3])
    labels = flat_start_labels(tokens, torch.tensor([2, 3]), frames, 5)
    assert labels.tolist() == [[7, 7, 8, 8, -1], [4, 5, 6, -1, -1]] and labels.dtype == torch.int64


def test_flat_labels_share_frames_equally():
    rng = random.Random(1)
    for _ in range(200):
        tokens, frames = list(range(1, rng.randint(2, 12))), rng.randint(12, 90)
        labels = flat(tokens, frames)
        runs = [(k, len(list(g))) for k, g in itertools.groupby(labels)]
        assert [k for k, _ in runs] == tokens
        assert max(n for _, n in runs) - min(n for _, n in runs) <= 1
