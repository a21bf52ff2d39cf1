"""A tiny made-up corpus for tests of training: each word is a band of noise."""

from __future__ import annotations

import torch

from speechnas_lab.speech import Examples, Scale


def examples(count: int = 12, vocab: int = 5, bands: int = 80, seed: int = 0) -> Examples:
    """`count` utterances of 2 or 3 of `vocab` - 1 words, 24 frames a word; labels say which word each frame is."""
    generator = torch.Generator().manual_seed(seed)
    features, tokens, labels = [], [], []
    for number in range(count):
        words = torch.randperm(vocab - 1, generator=generator)[: 2 + number % 2] + 1
        spoken = words.repeat_interleave(24)
        sound = 0.3 * torch.randn(len(spoken), bands, generator=generator)
        for frame, word in enumerate(spoken.tolist()):
            sound[frame, 15 * word : 15 * word + 15] += 2
        features.append(sound.half())
        tokens.append(words)
        labels.append(spoken)
    names = [f"u{n:02d}" for n in range(count)]
    texts = [" ".join("abcdefgh"[w - 1] for w in t.tolist()) for t in tokens]
    return Examples(names, texts, [f"s{n % 3}" for n in range(count)], [len(f) / 100 for f in features], features,
                    tokens, labels, Scale(torch.zeros(bands), torch.ones(bands)))
