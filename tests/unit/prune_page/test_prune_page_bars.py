"""Bars of group sizes as SVG."""

import re

import numpy as np
import pytest

from steadyflow.prune_page.bars import HEIGHT, bar_columns


def test_bars_are_in_proportion_and_tell_their_numbers():
    svg = str(bar_columns(["a", "<i>"], [40, 10], [20, 0]))
    heights = [float(found) for found in re.findall(r' height="([\d.]+)"/>', svg)]
    assert heights == [HEIGHT, HEIGHT / 2, HEIGHT / 4, 0]
    assert "<title>&lt;i&gt;: 10 → 0</title>" in svg


def test_a_thousand_bars_are_two_outlines():
    sizes = np.random.default_rng(0).integers(0, 900, 1000).tolist()
    svg = str(bar_columns([str(c) for c in range(1000)], sizes, [size // 2 for size in sizes]))
    assert svg.count("<path") == 2
    assert "<rect" not in svg
    assert len(svg) < 40_000
    tops = [float(found) for found in re.findall(r"V([\d.]+)H", svg)][:1000]
    assert tops == pytest.approx([HEIGHT * (1 - size / max(sizes)) for size in sizes], abs=0.051)


def test_bars_of_nothing():
    assert "<rect" in bar_columns(["a"], [0], [0])
