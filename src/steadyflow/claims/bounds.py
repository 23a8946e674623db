"""The bounds that claims are judged by. Claims are words, so these numbers are ours; each says why it is what it is."""

from dataclasses import dataclass, field, fields, replace


def _bound(value: float, reason: str) -> float:
    return field(default=value, metadata={"reason": reason})


@dataclass(frozen=True)
class Bounds:
    """Every bound, as a fraction of 1.

    kept, broken: shares of the mapping (`share_kept`) from which a run keeps it, and below which it breaks it; in
        between it keeps a part
    beyond: share of what two runs have beyond their Gaussian flows from which they agree in it
    alike: difference of two shares that counts as none
    margin: rise of a Fréchet distance, relative to the reference's, that counts as none; of precision and recall a fall
    overlap: Jaccard index up to which the training images of two runs count as disjoint
    """

    kept: float = _bound(
        0.5,
        "More is shared than is lost. What the papers call stable keeps 53% (disjoint halves) to 73%, what they call a "
        "resemblance 29% (U-Net) to 40% (another dataset).",
    )
    beyond: float = _bound(
        0.25,
        "Residuals that are independent share nothing, those of two trainings on halves of 3,400 real images 61%: less "
        "than half of that counts as nothing beyond second moments.",
    )
    broken: float = _bound(
        0.1,
        "Between what the papers call broken (another tokenizer, all channels flipped: below 0) and what keeps a part "
        "(the first channel flipped: 17%).",
    )
    alike: float = _bound(
        0.1,
        "More than the nine criteria of Table 3a differ among each other (6%), all of which the papers call stable.",
    )
    margin: float = _bound(
        0.05,
        "What the papers call preserved, or slightly worse, rises by up to 4% (a random half, 24.24 to 25.25); what "
        "they call substantially worse, by 23% and more (the half of lowest gradients).",
    )
    overlap: float = _bound(
        0.1, "Two random halves overlap by 0 by construction, a criterion and its inverse by ties and quotas alone."
    )

    def times(self, factor: float) -> "Bounds":
        """Those of verdicts times `factor`; which runs count as disjoint stays as it is."""
        return replace(self, **{name: factor * getattr(self, name) for name in _OF_VERDICTS})

    @property
    def reasons(self) -> dict[str, str]:
        """Why each is what it is, by name."""
        return {each.name: each.metadata["reason"] for each in fields(self)}


_OF_VERDICTS = ("kept", "beyond", "broken", "alike", "margin")
