"""The typed study: what each section of a study file may say. Unknown keys are errors.

Every field but `label` and `expected_images` belongs to the identity of what it describes: a change of it makes a new
result. Where, how and how fast something is computed (results folder, profile, device, batch size of inference) is not
said here.
"""

from steadyflow.study.specs.classifiers import Classifier, ClipZeroShotClassifier, PaliGemmaClassifier
from steadyflow.study.specs.datasets import Dataset
from steadyflow.study.specs.encoders import ArcFaceEncoder, ProbeEncoder
from steadyflow.study.specs.evaluation import Evaluation, Sampling
from steadyflow.study.specs.pruning import DropClustersSubset, ScoreSubset, StratifiedSubset, Subset
from steadyflow.study.specs.runs import Diffusion, ExplicitFlowMatching, FlowMatching, Run
from steadyflow.study.specs.study import Study

__all__ = [
    "ArcFaceEncoder",
    "Classifier",
    "ClipZeroShotClassifier",
    "Dataset",
    "Diffusion",
    "DropClustersSubset",
    "Evaluation",
    "ExplicitFlowMatching",
    "FlowMatching",
    "PaliGemmaClassifier",
    "ProbeEncoder",
    "Run",
    "Sampling",
    "ScoreSubset",
    "StratifiedSubset",
    "Study",
    "Subset",
]
