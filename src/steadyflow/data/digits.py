"""scikit-learn's 1,797 handwritten digits: a small real dataset that comes with the package."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from steadyflow.data.records import Record, Records, Source


def digits() -> Source:
    """Images uint8 [8, 8, 1], their 17 grey levels rescaled to 0..255; keys `digit-0042`, classes '0' to '9'."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # 255 / 16 is not an integer; rounding half up keeps the levels evenly spaced.
    images = np.floor(bunch.images * (255 / 16) + 0.5).astype(np.uint8)[..., None]

    def records() -> Iterator[Record]:
        for i, (image, label) in enumerate(zip(images, bunch.target, strict=True)):
            yield Record(f"digit-{i:04d}", partial(np.asarray, image), int(label))

    return Source("digits", Records(records), len(images), [str(digit) for digit in range(10)])
