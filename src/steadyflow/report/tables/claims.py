"""The papers' claims, each with what this study measured and a verdict: holds, fails, undecided, or not measured."""

from collections.abc import Sequence

from steadyflow.claims import BROKEN, KEPT, MARGIN, VERDICTS, Claim, Finding
from steadyflow.report.columns import assemble, text_column
from steadyflow.report.numbers import NOTHING
from steadyflow.report.typeset import Table

TITLE = "What the papers claim, and what was measured here"
CATEGORY = "Claims"
NEEDS = "runs"


def table(findings: Sequence[tuple[Claim, Finding]]) -> Table:
    """A row for each claim."""
    by_verdict = {verdict: sum(finding.verdict == verdict for _, finding in findings) for verdict in VERDICTS}
    counted = "; ".join(f"{verdict}: {count}" for verdict, count in by_verdict.items())
    caption = (
        f"{counted}. A claim holds or fails where the 95% interval lies on one side of its bound, and is undecided at "
        "this n and these trainings where it does not; not measured: this study has no such runs. Of several intervals "
        "all have to hold, and one has to fail at a level divided by their number (Holm). Changes of FD are ratios, "
        "those of KL differences of its square root. Bounds are ours: a "
        f"run keeps the mapping if it keeps more than {100 * KEPT:.0f}% of the way from unmatched to perfectly matched "
        f"similarity, breaks it below {100 * BROKEN:.0f}%, and resembles in between; a Fréchet distance does not "
        f"suffer if it rises by less than {100 * MARGIN:.0f}%. Changes of quality and of balance stay undecided where "
        "no training was repeated with another seed. The papers measured other data, sizes and encoders."
    )
    claims = [claim for claim, _ in findings]
    found = [finding for _, finding in findings]
    return assemble(
        TITLE,
        caption,
        text_column("Claim", [c.claim for c in claims], {"id": [c.id for c in claims]}),
        text_column("Source", [c.source for c in claims], {"source": [c.source for c in claims]}),
        text_column("Verdict", [f.verdict for f in found], {"verdict": [f.verdict for f in found]}),
        text_column("Measured here", [f.measured or NOTHING for f in found], {"measured": [f.measured for f in found]}),
        text_column("n", [f"{f.n:,}" if f.n else NOTHING for f in found], {"n": [f.n for f in found]}, numeric=True),
    )
