"""Random orders as a pure function of (seed, purpose), without torch."""

import hashlib

import numpy as np


def key(seed: int, purpose: str) -> int:
    """A 128-bit key. Two purposes under one seed share nothing, so that `random` is never `random_half` again."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest(), "little")


def keyed_permutation(seed: int, purpose: str, n: int) -> np.ndarray:
    """A permutation of 0..n-1, int64 [n]: n Philox words (Salmon et al., SC 2011), sorted.

    numpy promises the raw words for ever, but not what its Generator makes of them.
    """
    return np.argsort(np.random.Philox(key=key(seed, purpose)).random_raw(n), kind="stable")
