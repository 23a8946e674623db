import numpy as np
import pytest

from steadyflow.evaluate.classifier_accuracy import accuracy_metrics
from steadyflow.evaluate.sample_fairness import ImageAttributes

FIELDS = {"dataset": "faces", "encoder": "probe", "seed": 4}


def attributes(values, **codes):
    return ImageAttributes({name: np.array(each) for name, each in codes.items()}, values, "abc")


def test_accuracy_and_chance_are_those_of_the_known_images():
    """The classifier has the values in another order."""
    labels = attributes({"hair": ["long", "short", "none"]}, hair=[0, 0, 0, 1, 2, -1, 0])
    told = attributes({"hair": ["none", "long", "short"]}, hair=[1, 1, 2, 2, 1, 0, -1])
    accuracy, chance = accuracy_metrics(told, labels, FIELDS)
    assert (accuracy.metric, accuracy.run, accuracy.reference) == ("accuracy_hair", "validation_images", "labels")
    assert (accuracy.value, accuracy.n) == (pytest.approx(3 / 5), 5)
    assert accuracy.ci_low < 3 / 5 < accuracy.ci_high
    assert (chance.metric, chance.value) == ("chance_hair", pytest.approx(3 / 5))
    assert np.isnan(chance.ci_low) and accuracy.protocol == "held-out images, 2 unknown"


def test_attributes_without_labels_of_these_values_have_none():
    labels = attributes({"hair": ["long", "short"]}, hair=[0, 1])
    assert accuracy_metrics(attributes({"hair": ["long", "none"]}, hair=[0, 1]), labels, FIELDS) == []
    assert accuracy_metrics(attributes({"age": ["long", "short"]}, age=[0, 1]), labels, FIELDS) == []
    assert accuracy_metrics(attributes({"hair": ["long", "short"]}, hair=[-1, -1]), labels, FIELDS) == []
