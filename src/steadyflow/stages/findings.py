"""The papers' claims, judged by a study's own metrics."""

from typing import TYPE_CHECKING

from steadyflow.design.arms import arms
from steadyflow.design.by_k import runs_by_k
from steadyflow.design.pairs import pairs_of_one_seed
from steadyflow.stages import evaluated, results
from steadyflow.stages.stage import Artifact
from steadyflow.study import Study

if TYPE_CHECKING:
    from steadyflow.claims import Claim, Finding


def judged_files(study: Study, dataset: str) -> list[Artifact]:
    fairness = results.FAIRNESS.files(study, dataset) if study.evaluations[dataset].classifiers else []
    return [
        *results.QUALITY.files(study, dataset),
        *results.SIMILARITY.files(study, dataset),
        *results.LOSS.files(study, dataset),
        *fairness,
    ]


def findings(study: Study, dataset: str) -> "list[tuple[Claim, Finding]]":
    """Every claim of the papers, and what the study's own metrics say to it."""
    import pandas as pd

    from steadyflow.claims import Evidence, judge, read_claims

    spec = study.evaluations[dataset]
    evidence = Evidence(
        quality=results.QUALITY.load(study, dataset),
        similarity=results.SIMILARITY.load(study, dataset),
        fairness=results.FAIRNESS.load(study, dataset) if spec.classifiers else pd.DataFrame(),
        arms=arms(study, dataset),
        inverse_pairs=spec.inverse_pairs,
        encoder=evaluated.encoders(study, dataset)[0],
        similarity_encoders=evaluated.similarity_encoders(study, dataset),
        labels=evaluated.labels(study, dataset),
        reproduces=spec.reproduces or "",
        clip_encoder=evaluated.clip_encoder(study, dataset),
        by_k=runs_by_k(study, dataset),
        operations=evaluated.operations(study, dataset),
        loss=results.LOSS.load(study, dataset),
        null_models=study.null_models(dataset) if spec.null_model else None,
        shared_seeds=pairs_of_one_seed(study, dataset),
    )
    return judge(read_claims(results.RESOURCES / "paper" / "claims.csv"), evidence)
