"""The specs of a study file's sections. Unknown keys are errors.

Every field but `label`, `expected_images` and `repeats` is part of the identity of its entry, so a change makes a new
result.
Where and how fast something is computed (profile, device, batch size of inference) is not part of a study.
"""

from steadyflow.study.specs.classifiers import Classifier, ClipZeroShotClassifier, PaliGemmaClassifier
from steadyflow.study.specs.datasets import Dataset
from steadyflow.study.specs.encoders import ArcFaceEncoder, ProbeEncoder
from steadyflow.study.specs.evaluation import Evaluation, Sampling
from steadyflow.study.specs.pruning import (
    ComplementSubset,
    DropClustersSubset,
    IntersectionSubset,
    ScoreSubset,
    StratifiedSubset,
    Subset,
)
from steadyflow.study.specs.runs import Diffusion, ExplicitFlowMatching, FlowMatching, Run
from steadyflow.study.specs.study import Study

__all__ = [
    "ArcFaceEncoder",
    "Classifier",
    "ClipZeroShotClassifier",
    "ComplementSubset",
    "Dataset",
    "Diffusion",
    "DropClustersSubset",
    "Evaluation",
    "ExplicitFlowMatching",
    "FlowMatching",
    "IntersectionSubset",
    "PaliGemmaClassifier",
    "ProbeEncoder",
    "Run",
    "Sampling",
    "ScoreSubset",
    "StratifiedSubset",
    "Study",
    "Subset",
]
