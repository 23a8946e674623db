"""What a classifier predicts of samples counts only where it is right about held-out images."""

from collections.abc import Sequence

from steadyflow.claims.evidence import Evidence
from steadyflow.claims.verdict import FAILS, HOLDS, UNDECIDED
from steadyflow.evaluate.metrics import Metric, metric_or_none
from steadyflow.ground.constants import LABELS, VALIDATION_IMAGES

ClassifiedAttribute = tuple[str, str]
"""(classifier, attribute)"""

SKILL = 0.5
"""A classifier is trusted with an attribute if it goes at least this far of the way from chance, which is always
predicting the most frequent value, to being always right: (accuracy - chance) / (1 - chance)."""


def is_trusted(accuracy: Metric, chance: Metric) -> bool:
    """Whether the lower end of the accuracy's interval has at least SKILL. True where accuracy is not known (n = 0), as
    of data without labels: nothing speaks against it."""
    return not accuracy.n or accuracy.ci_low - chance.value >= SKILL * (1 - chance.value) > 0


def if_trusted(evidence: Evidence, classified: ClassifiedAttribute, verdict: str) -> str:
    """`verdict`, or undecided where it rests on a classifier that is not trusted with the attribute."""
    return UNDECIDED if verdict in (HOLDS, FAILS) and not is_trusted(*_accuracy(evidence, classified)) else verdict


def distrust_in_words(evidence: Evidence, classified: Sequence[ClassifiedAttribute]) -> str:
    """Which of these classifiers are not trusted and why, to be added to what was measured; "" if all are."""
    parts = []
    for classifier, attribute in dict.fromkeys(classified):
        accuracy, chance = _accuracy(evidence, (classifier, attribute))
        if not is_trusted(accuracy, chance):
            right, most = 100 * accuracy.value, 100 * chance.value
            words = (
                f"{classifier} predicts {attribute.replace('_', ' ')} correctly in {right:.0f}% of held-out images only"
            )
            parts.append(f"{words}, where the most frequent value alone gives {most:.0f}%")
    return f" (undecided as far as it rests on this: {'; '.join(parts)})" if parts else ""


def predictor(evidence: Evidence, attribute: str) -> ClassifiedAttribute:
    """The evaluation's first classifier that predicts the attribute, which names the modes of samples; "" if none
    does."""
    rows = evidence.fairness
    found = [] if rows.empty else list(rows.loc[rows["metric"] == f"kl_{attribute}", "encoder"])
    return next((name for name in found if name != LABELS), ""), attribute


def _accuracy(evidence: Evidence, classified: ClassifiedAttribute) -> tuple[Metric, Metric]:
    classifier, attribute = classified
    accuracy, chance = (
        metric_or_none(evidence.fairness, f"{kind}_{attribute}", VALIDATION_IMAGES, LABELS, classifier)
        for kind in ("accuracy", "chance")
    )
    return accuracy, chance
