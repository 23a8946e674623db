"""Mode removal: what a model changes that was trained on one mode of the data alone."""

from steadyflow.claims.classifiers import distrust_in_words, if_trusted, predictor
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.share_kept import if_independent, share_kept
from steadyflow.claims.verdict import NOT_MEASURED, UNDECIDED, Finding, above, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import Estimate, difference
from steadyflow.ground.arm import Arm

MODES = KEPT_MODE, REMOVED_MODE = "[kept mode]", "[removed mode]"


def local_mode_removal(evidence: Evidence) -> Finding:
    """Removing a mode changes only the samples of that mode.

    Source: Exploiting Stability, Fig. 4b
    Bound: less the share that the reference keeps under another seed, the share kept is above -`alike` where the
    reference generates the kept mode, and below -`alike` where it generates the removed one; undecided where a mode has
    too few samples for an interval, or the classifier that predicts the modes is not trusted. Not measured without a
    reseeded reference: it is what removing nothing leaves.
    """
    runs, reseeded = _runs_with_both_modes(evidence), evidence.pairs_with_reference([evidence.reference])
    if not (runs and reseeded):
        return Finding(NOT_MEASURED)
    nothing_removed, _ = share_kept(evidence, *reseeded[0])
    verdicts, parts, counts = [], [], []
    for run in runs:
        (kept, n_kept), (removed, n_removed) = (
            share_kept(evidence, run, evidence.reference_run, mode) for mode in MODES
        )
        verdicts.append(_only_the_removed(kept, removed, nothing_removed, evidence.bounds.alike))
        shares = f"{percent(kept)} of kept-mode samples, {percent(removed)} of removed-mode ones"
        parts.append(f"{evidence.labels[run]} {shares} (n = {n_kept} and {n_removed})")
        counts.append(n_kept + n_removed)
    predicted = [predictor(evidence, arm.attribute) for arm in _one_value_arms(evidence) if set(arm.runs) & set(runs)]
    verdict: str = all_of(verdicts)
    for attribute in predicted:
        verdict = if_trusted(evidence, attribute, verdict)
    beside = f"{evidence.labels[reseeded[0][0]]} {percent(nothing_removed)} of all"
    words = f"share of the mapping kept: {'; '.join([*parts, beside])}{distrust_in_words(evidence, predicted)}"
    found = Finding(verdict, words, min(counts))
    return if_independent(evidence, [(run, evidence.reference_run) for run in runs], found)


def _only_the_removed(kept: Estimate, removed: Estimate, nothing_removed: Estimate, alike: float) -> str:
    """Whether the kept mode is no worse than without any removal, and the removed one is."""
    if not all(share.replicates for share in (kept, removed, nothing_removed)):
        return UNDECIDED
    return all_of(
        [above(difference(kept, nothing_removed), -alike), below(difference(removed, nothing_removed), -alike)]
    )


def _runs_with_both_modes(evidence: Evidence) -> list[str]:
    """Runs trained on one value of an attribute, whose samples of both modes were compared."""
    rows = evidence.similarity[evidence.similarity["encoder"] == evidence.similarity_encoder]
    compared = [set(rows[rows["metric"] == f"cosine_matched{mode}"]["run"]) for mode in MODES]
    arms = _one_value_arms(evidence)
    return [run for arm in arms for run in arm.runs if all(run in runs for runs in compared)]


def _one_value_arms(evidence: Evidence) -> list[Arm]:
    return evidence.pruned_by("attribute_value", fraction=None)
