"""A fault of the reference code, to tell the right scores from."""

import numpy as np


def running_mean_scores(values):
    """A running mean that starts at 1 and sees the samples one after the other."""
    mean, scores = np.ones(values.shape[1]), []
    for i, value in enumerate(values.mean(axis=2)):
        mean += (value - mean) / (i + 2)
        scores.append((value / mean).mean())
    return np.array(scores)
