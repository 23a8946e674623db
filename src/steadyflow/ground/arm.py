"""An arm of an experiment: the unit in which results are compared. Standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """`runs` that differ in their seeds alone, in the order of the evaluation (`design.arms` finds them).

    kind: the one thing in which they differ from the reference run, a key of `design.arms.KINDS`; "reference" for the
    reference's own arm, "other" where they differ in several things
    criterion, pruning_fraction: of their subset where kind is "subset", else "" and None
    attribute: the attribute that the criterion reads, "" where it reads none
    """

    runs: tuple[str, ...]
    kind: str
    criterion: str = ""
    pruning_fraction: float | None = None
    attribute: str = ""
