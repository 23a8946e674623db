"""An arm of an experiment: the unit in which results are compared. Standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """Runs that differ only in their seeds (`design.arms` finds them).

    runs: in the order of the evaluation
    kind: the one property in which they differ from the reference run, a key of `design.arms.KINDS`; "reference" for
        the reference's own arm, "other" if they differ in several properties
    criterion, pruning_fraction: those of their subset if kind is "subset", otherwise "" and None
    attribute: the attribute that the criterion reads, "" if it reads none
    """

    runs: tuple[str, ...]
    kind: str
    criterion: str = ""
    pruning_fraction: float | None = None
    attribute: str = ""
