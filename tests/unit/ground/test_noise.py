import hashlib
import math

import numpy as np
import pytest
import torch
from scipy import stats

from steadyflow.ground.noise import batch_rows, noise, normal, permutation, philox, uniform

WORDS = 0xFFFFFFFF


def philox_of_one(counter, key):
    """Philox-4x32-10 in Python's unbounded integers."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & WORDS, (p0 >> 32) ^ c3 ^ k1, p0 & WORDS
        k0, k1 = (k0 + 0x9E3779B9) & WORDS, (k1 + 0xBB67AE85) & WORDS
    return [c0, c1, c2, c3]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, expected):
    words = philox([torch.tensor([int(w, 16)]) for w in counter.split()], tuple(int(w, 16) for w in key.split()))
    assert " ".join(f"{int(word):08x}" for word in words) == expected


def test_the_shared_noise_never_changes():
    expected = [
        ["0x1.8496f4p+0", "0x1.f3cb54p+0", "0x1.9a8e1ep-1", "-0x1.590362p+0"],
        ["0x1.1423e8p+0", "-0x1.8980bap+0", "0x1.dc1e7cp+0", "0x1.11abfp-2"],
        ["-0x1.67c8c6p+0", "0x1.d375bep-3", "-0x1.0770a2p+0", "0x1.1da992p+0"],
    ]
    drawn = noise(0, [0, 1, 2**40 + 3], (2, 2)).flatten(1)
    # One unit in the last place for another processor's cosine.
    assert np.allclose(drawn.numpy(), np.vectorize(float.fromhex)(expected), rtol=1e-7, atol=0)


def test_every_other_draw_never_changes():
    assert normal(7, "training noise", [5], (3,), step=11)[0].tolist() == pytest.approx(
        [-1.0478371382, 0.2975118160, -1.3454272747], rel=1e-7
    )
    assert uniform(7, "training time", [0, 1], step=11).tolist() == [0.27604466676712036, 0.354591429233551]
    assert permutation(3, "data order", 8, step=1).tolist() == [3, 2, 7, 0, 4, 5, 1, 6]
    assert batch_rows(5, 4, 0, 1).tolist() == [4, 1, 3, 2]


@pytest.mark.parametrize("index", [0, 5, 2**32 - 1, 2**32, 2**40 + 3])
def test_noise_is_box_muller_of_the_counter_block_and_index(index):
    digest = hashlib.blake2b(b"9/x0", digest_size=8).digest()
    key = int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")
    expected = []
    for block in range(2):
        u = [(word + 0.5) / 2**32 for word in philox_of_one((block, index & WORDS, 0, index >> 32), key)]
        for u1, u2 in (u[:2], u[2:]):
            radius = math.sqrt(-2 * math.log(u1))
            expected += [radius * math.cos(2 * math.pi * u2), radius * math.sin(2 * math.pi * u2)]
    assert noise(9, [index], (2, 4))[0].flatten().tolist() == pytest.approx(expected, rel=1e-6)


def test_a_row_does_not_depend_on_its_batch_or_order():
    whole = noise(3, range(64), (4, 5, 3))
    for size in (1, 7, 64):
        parts = [noise(3, range(start, min(start + size, 64)), (4, 5, 3)) for start in range(0, 64, size)]
        assert torch.equal(torch.cat(parts), whole)
    shuffled = np.random.default_rng(0).permutation(64)
    assert torch.equal(noise(3, torch.from_numpy(shuffled), (4, 5, 3)), whole[shuffled])
    assert torch.equal(uniform(3, "p", shuffled), uniform(3, "p", range(64))[shuffled])


def test_a_smaller_shape_is_a_prefix_of_a_larger_one():
    whole = noise(3, range(8), (30,))
    for count in (1, 2, 3, 5, 29):
        assert torch.equal(noise(3, range(8), (count,)), whole[:, :count])
    assert torch.equal(noise(3, range(8), (2, 3, 5)).flatten(1), whole)


def test_seed_purpose_step_and_index_each_give_other_numbers():
    shape = (64,)
    rows = {
        "base": normal(0, "a", [0], shape),
        "seed": normal(1, "a", [0], shape),
        "large seed": normal(2**32, "a", [0], shape),
        "purpose": normal(0, "b", [0], shape),
        "step": normal(0, "a", [0], shape, step=1),
        "step of 2**16": normal(0, "a", [0], shape, step=2**16),
        "step of 2**32": normal(0, "a", [0], shape, step=2**32),
        "index": normal(0, "a", [1], shape),
        "index of 2**32": normal(0, "a", [2**32], shape),
        "index of 2**33": normal(0, "a", [2**33], shape),
    }
    drawn = torch.cat(list(rows.values())).double()
    assert len(torch.unique(drawn)) == drawn.numel()
    correlations = torch.corrcoef(drawn) - torch.eye(len(rows))
    assert correlations.abs().max() < 0.6  # 64 numbers: 4.8 standard deviations


def test_normal_is_standard_normal():
    drawn = noise(11, range(1000), (100,)).flatten().double().numpy()
    assert abs(drawn.mean()) < 4 / math.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 4 * math.sqrt(2 / drawn.size)
    assert abs(stats.kurtosis(drawn)) < 4 * math.sqrt(24 / drawn.size)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3


def test_uniform_is_uniform_on_the_half_open_interval():
    drawn = uniform(11, "time", range(100_000))
    assert drawn.dtype == torch.float32
    assert 0 <= drawn.min() < 2e-4 and 1 - 2e-4 < drawn.max() < 1
    assert stats.kstest(drawn.double().numpy(), "uniform").pvalue > 1e-3


def test_neighbours_are_uncorrelated():
    drawn = noise(12, range(401), (100,)).double().numpy()
    later = normal(12, "x0", range(401), (100,), step=1).double().numpy()
    uniforms = np.stack([uniform(12, "t", range(401), step=step).double().numpy() for step in range(50)], axis=1)
    pairs = {
        "index": (drawn[:-1], drawn[1:]),
        "position": (drawn[:, :-1], drawn[:, 1:]),
        "pair of Box-Muller": (drawn[:, ::2], drawn[:, 1::2]),
        "magnitudes of a pair": (drawn[:, ::2] ** 2, drawn[:, 1::2] ** 2),
        "step": (drawn, later),
        "uniform index": (uniforms[:-1], uniforms[1:]),
        "uniform step": (uniforms[:, :-1], uniforms[:, 1:]),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / math.sqrt(a.size), name


@pytest.mark.parametrize("n", [1, 2, 17, 1000])
def test_permutation_is_a_permutation_of_its_own_for_every_key(n):
    orders = [permutation(0, "a", n), permutation(1, "a", n), permutation(0, "b", n), permutation(0, "a", n, step=1)]
    assert all(sorted(order.tolist()) == list(range(n)) for order in orders)
    if n > 10:
        assert len({tuple(order.tolist()) for order in orders}) == 4


def test_permutation_puts_every_item_everywhere_equally_often():
    counts = np.zeros((6, 6))
    for step in range(600):
        counts[np.arange(6), permutation(0, "fair", 6, step=step).numpy()] += 1
    assert stats.chi2.sf(((counts - 100) ** 2 / 100).sum(), df=25) > 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10, 32, 100])
def test_every_row_is_visited_once_per_epoch(batch_size):
    n, epochs = 10, 5
    steps = -(-epochs * n // batch_size)
    stream = torch.cat([batch_rows(n, batch_size, 4, step) for step in range(steps)])
    assert len(stream) == steps * batch_size
    visited = stream[: epochs * n].view(epochs, n)
    assert torch.equal(visited.sort(dim=1).values, torch.arange(n).expand(epochs, n))
    assert len({tuple(epoch) for epoch in visited.tolist()}) == epochs


def test_the_stream_of_rows_does_not_depend_on_the_batch_size():
    def stream(batch_size):
        return torch.cat([batch_rows(13, batch_size, 0, step) for step in range(120 // batch_size)])

    assert all(torch.equal(stream(size), stream(1)) for size in (2, 8, 40, 120))


def test_another_seed_is_another_data_order():
    assert not torch.equal(batch_rows(100, 100, 0, 0), batch_rows(100, 100, 1, 0))
