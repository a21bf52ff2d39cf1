"""From an engine's dry sound to a microphone in a room: resampling, level, a short echo, a little noise."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter, oaconvolve, resample_poly

SAMPLE_RATE = 16_000  # Hz
FRAME = 160           # samples, 10 ms: T = 1 + n // FRAME frames
PEAK = 0.95           # the loudest sample allowed, of full scale


def resample(wave: np.ndarray, rate: int) -> np.ndarray:
    """int16 (n,) at `rate` Hz -> float32 (m,) in [-1, 1] at 16 kHz, by a polyphase filter."""
    common = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // common, rate // common
    return resample_poly(wave.astype(np.float32) / 32768, up, down).astype(np.float32)


def echo(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add late reflections: noise that decays by 60 dB in 0.1 to 0.35 s, 12 to 20 dB below the direct sound.

    Polack's model of a room's tail (Polack 1988): white noise times exp(-6.9 t / T60).
    """
    decay = rng.uniform(0.10, 0.35)
    time = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time), np.float32) * np.exp(-6.9 * time / decay).astype(np.float32)
    tail[: FRAME // 4] = 0  # the first 2.5 ms belong to the direct path
    tail *= 10 ** (-rng.uniform(12, 20) / 20) / math.sqrt(float(np.sum(tail**2)))
    return wave + oaconvolve(wave, tail)[: len(wave)].astype(np.float32)


def noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (length,) of unit power, between white and brown: one pole drawn from 0 to 0.95."""
    coloured = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.95)], rng.standard_normal(length, np.float32))
    return (coloured / np.sqrt(np.mean(coloured**2))).astype(np.float32)


def acoustics(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dry float32 (n,) -> int16 (n,) as recorded: half of all get an echo, all get noise and a level.

    Level: root mean square -29 to -21 dB of full scale. Noise: 15 to 30 dB below the speech. All from `rng`.
    """
    if rng.random() < 0.5:
        wave = echo(wave, rng)
    wave = wave / max(1e-6, float(np.sqrt(np.mean(wave**2))))
    wave = wave + noise(len(wave), rng) * 10 ** (-rng.uniform(15, 30) / 20)
    wave = wave * 10 ** (rng.uniform(-29, -21) / 20)
    wave = wave * min(1.0, PEAK / max(1e-6, float(np.abs(wave).max())))
    return np.round(wave * 32767).astype(np.int16)
