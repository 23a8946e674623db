"""What the papers claim, and whether a study's own measurements bear it out.

A claim in words needs a bound in numbers, and the bounds are ours: each rule names its own. A verdict is one of four:

holds, fails: the 95% interval lies on one side of the bound. undecided: it contains the bound, at this n and with these
trainings. not measured: the study has no such runs, or does not measure the quantity.
"""

from steadyflow.claims.claim import Claim, read_claims
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.fd import MARGIN
from steadyflow.claims.registry import RULES, judge
from steadyflow.claims.share_kept import BROKEN, KEPT
from steadyflow.claims.verdict import VERDICTS, Finding

__all__ = ["BROKEN", "KEPT", "MARGIN", "RULES", "VERDICTS", "Claim", "Evidence", "Finding", "judge", "read_claims"]
