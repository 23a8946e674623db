"""Images of the validation split, and below what each tokenizer makes of them after encoding and decoding: no sample
can be sharper than this."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from steadyflow.report import style
from steadyflow.report.images import Images
from steadyflow.report.mosaics import TITLE_HEIGHT, label_width, labelled_mosaic, row_height
from steadyflow.report.style import styled

TITLE = "Tokenizer reconstructions"
CATEGORY = "Data"
NEEDS = "tokenizers"


@styled
def figure(reconstructions: Images, tokenizer_labels: Mapping[str, str]) -> list[Figure]:
    """Validation images [1 + tokenizers, columns, H, W, C]: the originals, on every page, and under them a row per
    tokenizer."""
    rows = dict(zip(tokenizer_labels, reconstructions[1:], strict=True))
    left = label_width(["original", *tokenizer_labels.values()])
    most = style.rows_that_fit(row_height(reconstructions, left), TITLE_HEIGHT) - 1
    return [
        labelled_mosaic(
            np.stack([reconstructions[0], *(rows[name] for name in labels)]),
            ["original", *labels.values()],
            left,
            "held-out images, encoded and decoded",
        )
        for _, labels in style.pages_of({"": tokenizer_labels}, max(1, most))
    ]
