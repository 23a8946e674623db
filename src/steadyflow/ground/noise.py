"""Counter-based randomness: x0 = f(seed, index), and every other random draw of the pipeline.

There is no generator state. Each number is the Philox-4x32-10 hash (Salmon et al., SC 2011) of (seed, purpose, step,
index, position), so it does not depend on batch size, world size, device or earlier draws: a resumed training and
every model of a study get the same tensors.
"""

import functools
import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: Sequence[Tensor], key: tuple[int, int]) -> list[Tensor]:
    """Philox-4x32-10. `counter`: four int64 tensors of one shape holding 32-bit words; `key`: two words.

    Returns four int64 tensors of that shape, each uniform on 0..2**32-1.
    """
    # A 32x32-bit product overflows int64, but its 64 bits are correct: shift and mask extract both halves.
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & _MASK) ^ c1 ^ k0, p1 & _MASK, ((p0 >> 32) & _MASK) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return [c0, c1, c2, c3]


def _words(seed: int, purpose: str, step: int, indices: Tensor, count: int) -> Tensor:
    """32-bit words, int64 [len(indices), count], one row per global sample index."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    key = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))
    index = indices.to(torch.int64)[:, None]
    block = torch.arange(-(-count // 4), device=indices.device)[None, :]
    shape = (len(index), block.shape[1])
    counter = [block, index & _MASK, torch.full_like(block, step & _MASK), (index >> 32) ^ ((step >> 32) << 16)]
    words = philox([word.expand(shape) for word in counter], key)
    return torch.stack(words, dim=-1).reshape(len(indices), -1)[:, :count]


def _as_indices(indices: Tensor | Sequence[int], device: torch.device | str | None) -> Tensor:
    # MPS has no float64: numbers are drawn on the CPU, and the caller moves them.
    drawn_on = "cpu" if device is None or torch.device(device).type == "mps" else device
    return torch.as_tensor(indices, dtype=torch.int64, device=drawn_on)


def normal(
    seed: int,
    purpose: str,
    indices: Tensor | Sequence[int],
    shape: Sequence[int],
    *,
    step: int = 0,
    device: torch.device | str | None = None,
) -> Tensor:
    """Standard normal float32 [len(indices), *shape]; row i depends on indices[i] alone (Box-Muller in float64)."""
    rows = _as_indices(indices, device)
    count = math.prod(shape)
    words = _words(seed, purpose, step, rows, 2 * (-(-count // 2))).to(torch.float64)
    u1, u2 = ((words + 0.5) / 2**32).unflatten(1, (-1, 2)).unbind(-1)
    radius, angle = torch.sqrt(-2 * torch.log(u1)), 2 * math.pi * u2
    drawn = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1).flatten(1)[:, :count]
    drawn = drawn.to(torch.float32).reshape(len(rows), *shape)
    return drawn if device is None else drawn.to(device)


def uniform(
    seed: int,
    purpose: str,
    indices: Tensor | Sequence[int],
    *,
    step: int = 0,
    device: torch.device | str | None = None,
) -> Tensor:
    """Uniform float32 [len(indices)] in [0, 1), from 24 random bits so that none is rounded up to 1."""
    drawn = (_words(seed, purpose, step, _as_indices(indices, device), 1)[:, 0] >> 8).to(torch.float32) / 2**24
    return drawn if device is None else drawn.to(device)


def permutation(seed: int, purpose: str, n: int, *, step: int = 0) -> Tensor:
    """A random permutation of 0..n-1, int64 [n], keyed by (seed, purpose, step); `step` is usually the epoch."""
    return _permutation(seed, purpose, n, step).clone()


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, purpose: str, n: int, step: int) -> Tensor:
    words = _words(seed, purpose, step, torch.arange(n), 2)
    return torch.argsort((words[:, 0] << 31) | (words[:, 1] >> 1), stable=True)


def noise(seed: int, indices: Tensor | Sequence[int], shape: Sequence[int]) -> Tensor:
    """The shared noise x0 ~ N(0, I) at t=0, float32 [len(indices), *shape] on the CPU.

    Samples of two models are matched if their `seed` and index are equal.
    """
    return normal(seed, "x0", indices, shape)


def batch_rows(n: int, batch_size: int, seed: int, step: int) -> Tensor:
    """The training samples of step `step`, out of 0..n-1: int64 [batch_size].

    They are at positions step * batch_size and following of the data order, in which position p lies in epoch p // n,
    each epoch a new permutation; a batch may span two epochs, so all have one size.
    """
    position = torch.arange(step * batch_size, (step + 1) * batch_size)
    epoch, offset = position // n, position % n
    rows = torch.empty_like(position)
    for e in epoch.unique().tolist():
        inside = epoch == e
        rows[inside] = _permutation(seed, "data order", n, e)[offset[inside]]
    return rows


def rows_around_batch(n: int, batch_size: int, seed: int, step: int, count: int) -> Tensor:
    """`count` different samples out of 0..n-1 that include the training samples of step `step`: int64 [count].

    Those of the batch come first, in ascending order. The others are those that follow in the epoch of the batch's last
    sample, which begins again at its end. Given the set, each sample of the batch is equally likely to be any of it,
    since the permutations of epochs are: a uniformly random draw without replacement, even where the batch spans two
    epochs, and may contain a sample twice. `count` is at least `batch_size` and at most n.
    """
    batch = batch_rows(n, batch_size, seed, step).unique()
    epoch, offset = divmod((step + 1) * batch_size - 1, n)
    places = (offset + 1 + torch.arange(min(n, count + batch_size))) % n
    following = _permutation(seed, "data order", n, epoch)[places]
    others = following[~torch.isin(following, batch)]
    return torch.cat([batch, others[: count - len(batch)]])
