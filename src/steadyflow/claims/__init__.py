"""What the papers claim, and whether a study's own measurements bear it out.

A claim in words needs a bound in numbers, and the bounds are ours (`Bounds`): each rule names its own, and has its
verdict at half and at twice of them beside it. A verdict is one of four:

holds, fails: the 95% interval lies on one side of the bound. undecided: it contains the bound, at this n and with these
trainings. not measured: the study has no such runs, does not measure the quantity, or is of another dataset than the
claim is about.
"""

from steadyflow.claims.bounds import Bounds
from steadyflow.claims.claim import Claim, read_claims
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.registry import RULES, judge
from steadyflow.claims.verdict import VERDICTS, Finding

__all__ = ["RULES", "VERDICTS", "Bounds", "Claim", "Evidence", "Finding", "judge", "read_claims"]
