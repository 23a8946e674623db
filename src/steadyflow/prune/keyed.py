"""Permutations and normal numbers as pure functions of (seed, purpose), without torch."""

import hashlib

import numpy as np


def key(seed: int, purpose: str) -> int:
    """A 128-bit key. Keys of different purposes are independent, so that criteria with one seed are, too."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest(), "little")


def keyed_permutation(seed: int, purpose: str, n: int) -> np.ndarray:
    """A permutation of 0..n-1, int64 [n]: n Philox words (Salmon et al., SC 2011), sorted.

    Only raw words are used, since numpy guarantees their stability, but not that of its Generator.
    """
    return np.argsort(_words(seed, purpose, n), kind="stable")


def keyed_normal(seed: int, purpose: str, shape: tuple[int, int]) -> np.ndarray:
    """Standard normal float32 of `shape`, by Box-Muller from pairs of Philox words."""
    half = -(-shape[0] * shape[1] // 2)
    u1, u2 = (((_words(seed, purpose, 2 * half) >> np.uint64(11)) + 0.5) / 2**53).reshape(2, half)
    radius, angle = np.sqrt(-2 * np.log(u1)), 2 * np.pi * u2
    drawn = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return drawn[: shape[0] * shape[1]].reshape(shape).astype(np.float32)


def _words(seed: int, purpose: str, n: int) -> np.ndarray:
    return np.random.Philox(key=key(seed, purpose)).random_raw(n)
