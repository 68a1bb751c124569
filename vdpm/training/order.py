"""The endless order of training examples: which source, and which of its clips, as a pure function of a number.

Sources alternate in blocks of `BLOCK` examples that hold each source exactly as often as its weight says, shuffled. The
clips of a source come in epochs, each a new shuffle without repeats. Both are computed from the number of the example, so
that training goes on in the middle of an epoch as if it had never stopped.
"""

from functools import lru_cache

import numpy as np

BLOCK = 256


def shares(weights: tuple[float, ...]) -> tuple[int, ...]:
    """How many examples of a block each source gives: largest remainders, at least one for every source."""
    ideal = np.asarray(weights) / sum(weights) * BLOCK
    counts = np.maximum(np.floor(ideal).astype(int), 1)
    while counts.sum() != BLOCK:
        step = 1 if counts.sum() < BLOCK else -1
        missing = np.where((counts > 1) | (step > 0), step * (ideal - counts), -np.inf)
        counts[np.argmax(missing)] += step
    return tuple(int(count) for count in counts)


@lru_cache(maxsize=8)
def _block(weights: tuple[float, ...], seed: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Source of every example of a block, and how many examples of that source came before it in the block."""
    counts = shares(weights)
    source = np.random.default_rng((seed, 1, block)).permutation(np.repeat(np.arange(len(counts)), counts))
    before = np.zeros(BLOCK, int)
    for index in range(len(counts)):
        mine = source == index
        before[mine] = np.arange(mine.sum())
    return source, before


def place(weights: tuple[float, ...], seed: int, number: int) -> tuple[int, int]:
    """Source of an example, and its number among the examples of that source."""
    block, within = divmod(number, BLOCK)
    source, before = _block(weights, seed, block)
    chosen = int(source[within])
    return chosen, block * shares(weights)[chosen] + int(before[within])


@lru_cache(maxsize=8)
def _epoch(seed: int, source: int, epoch: int, clips: int) -> np.ndarray:
    return np.random.default_rng((seed, 2, source, epoch)).permutation(clips)


def clip(seed: int, source: int, number: int, clips: int) -> int:
    """Which clip of a source of so many its example of a number shows."""
    epoch, within = divmod(number, clips)
    return int(_epoch(seed, source, epoch, clips)[within])
