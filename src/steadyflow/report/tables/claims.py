"""The papers' claims, each with what this study measured and a verdict: holds, fails, undecided, or not measured."""

from collections.abc import Sequence

from steadyflow.claims import VERDICTS, Bounds, Claim, Finding
from steadyflow.claims.classifiers import SKILL
from steadyflow.report.columns import Filled, assemble, text_column
from steadyflow.report.numbers import NOTHING
from steadyflow.report.paper import Printed
from steadyflow.report.typeset import Table

TITLE = "What the papers claim, and what was measured here"
CATEGORY = "Claims"
NEEDS = "runs"


def table(findings: Sequence[tuple[Claim, Finding]], paper: Printed) -> Table:
    """A row for each claim; beside it what the papers measured, where this study reproduces one of their datasets."""
    by_verdict = {verdict: sum(finding.verdict == verdict for _, finding in findings) for verdict in VERDICTS}
    counted = "; ".join(f"{verdict}: {count}" for verdict, count in by_verdict.items())
    bounds = Bounds()
    subject = (
        f"This study reproduces {paper.name}: verdicts are on what the papers say of it."
        if paper.dataset
        else "This is none of the papers' datasets: a verdict says whether what they describe shows here as well, and "
        "nothing of their numbers. Claims that are about one dataset are not measured."
    )
    caption = (
        f"{counted}. {subject} A claim holds or fails where the 95% interval lies on one side of its bound, and is "
        "undecided at this n and these trainings where it does not; not measured: this study has no such runs. Of "
        "several intervals all have to hold, and one has to fail at a level divided by their number (Holm). Changes of "
        "FD are ratios, those of KL differences of its square root. Bounds "
        f"are ours: a run keeps the mapping if it keeps more than {100 * bounds.kept:.0f}% of the way from unmatched "
        f"to perfectly matched similarity, breaks it below {100 * bounds.broken:.0f}%, and keeps a part in between; a "
        f"Fréchet distance does not suffer if it rises by less than {100 * bounds.margin:.0f}%. Changes of quality and "
        "of balance stay undecided where no training was repeated with another seed, and so does what rests on a "
        f"classifier that is not {100 * SKILL:.0f}% of the way from chance to certainty right about held-out images. "
        "Under other bounds: the verdicts where all are half, and where all are twice as large; a dash where both are "
        "the verdict itself."
    )
    claims = [claim for claim, _ in findings]
    found = [finding for _, finding in findings]
    return assemble(
        TITLE,
        caption,
        text_column("Claim", [c.claim for c in claims], {"id": [c.id for c in claims]}),
        text_column("Source", [c.source for c in claims], {"source": [c.source for c in claims]}),
        text_column("Verdict", [f.verdict for f in found], {"verdict": [f.verdict for f in found]}),
        text_column(
            "Under other bounds",
            [_sensitivity(f) for f in found],
            {"halved_bounds": [f.halved for f in found], "doubled_bounds": [f.doubled for f in found]},
        ),
        text_column("Measured here", [f.measured or NOTHING for f in found], {"measured": [f.measured for f in found]}),
        *_in_the_papers(claims, paper),
        text_column("n", [f"{f.n:,}" if f.n else NOTHING for f in found], {"n": [f.n for f in found]}, numeric=True),
    )


def _sensitivity(found: Finding) -> str:
    """`half: holds; twice: fails`."""
    others = {"half": found.halved, "twice": found.doubled}
    if set(others.values()) <= {found.verdict, ""}:
        return NOTHING
    return "; ".join(f"{name}: {verdict}" for name, verdict in others.items())


def _in_the_papers(claims: Sequence[Claim], paper: Printed) -> list[Filled]:
    if not paper.dataset:
        return []
    notes = [c.contradiction for c in claims]
    return [
        text_column("In the papers", [c.measured_by for c in claims], {"measured_by": [c.measured_by for c in claims]}),
        text_column("Contradicted by", [note or NOTHING for note in notes], {"contradiction": notes}),
    ]
