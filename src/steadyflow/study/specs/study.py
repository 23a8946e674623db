"""The study: everything that one file defines."""

import os
from typing import Annotated, Any

from pydantic import Field

from steadyflow.study.specs.classifiers import Classifier
from steadyflow.study.specs.datasets import Dataset
from steadyflow.study.specs.encoders import Encoder, ProbeEncoder
from steadyflow.study.specs.evaluation import Evaluation, Sampling
from steadyflow.study.specs.fields import Name, Spec
from steadyflow.study.specs.pruning import AttributeValueSubset, Clustering, Scoring, Subset
from steadyflow.study.specs.runs import Run
from steadyflow.study.specs.tokenizers import Tokenizer


def gaussian_name(run: str) -> str:
    """The name of the Gaussian flow that an evaluation adds for a run, and others with its training data."""
    return f"{run}.gaussian"


def untrained_name(run: str) -> str:
    """The name of the untrained network that an evaluation adds beside its reference."""
    return f"{run}.untrained"


class Defaults(Spec):
    runs: Run = Run()


class Study(Spec):
    """A study file."""

    name: Name
    results: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$")] = "results"
    """Folder of all results. It is part of shell commands, so it has no spaces or special characters."""
    defaults: Defaults = Defaults()
    downloads: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$", validate_default=True)] = Field(
        default_factory=lambda: os.environ.get("STEADYFLOW_DOWNLOADS", "downloads")
    )
    """Folder of downloaded images and weights, which several studies may share; by default the environment variable
    STEADYFLOW_DOWNLOADS, or `downloads`."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    tokenizers: dict[Name, Tokenizer] = {}
    encoders: dict[Name, Encoder] = {}
    classifiers: dict[Name, Classifier] = {}
    clusterings: dict[Name, Clustering] = {}
    scorings: dict[Name, Scoring] = {}
    subsets: dict[Name, Subset] = {}
    runs: dict[Name, Run] = {}
    samplings: dict[Name, Sampling] = {}
    evaluations: dict[Name, Evaluation] = {}

    def label(self, run: str) -> str:
        """A run's name in tables and figures."""
        return self.runs[run].label or run

    def mixture_label(self, dataset: str, mixture: str) -> str:
        """A mixture's name in tables."""
        return self.evaluations[dataset].mixtures[mixture].label or mixture

    def tokenizer_label(self, tokenizer: str) -> str:
        """A tokenizer's name in tables and figures."""
        return self.tokenizers[tokenizer].label or tokenizer

    def sampling_identity(self, run: str, sampling: str) -> dict[str, Any]:
        """The part of a sampling that defines the samples of this run."""
        return self.runs[run].objective.sampling_identity(self.samplings[sampling])

    def protocol(self, run: str, sampling: str) -> str:
        """Short description of the sampling of this run."""
        return self.runs[run].objective.sampling_protocol(self.samplings[sampling])

    @property
    def uses_lpips(self) -> bool:
        """Whether a tokenizer is trained with LPIPS; if so, it is measured for all tokenizers."""
        return any(tokenizer.perceptual != "none" for tokenizer in self.tokenizers.values())

    @property
    def encoder_weights(self) -> list[str]:
        """The distinct files of resources/weights.lock that the encoders need."""
        return list(dict.fromkeys(name for encoder in self.encoders.values() for name in encoder.weights))

    @property
    def probes(self) -> dict[str, ProbeEncoder]:
        """The probes, which are both encoders and classifiers."""
        return {name: encoder for name, encoder in self.encoders.items() if isinstance(encoder, ProbeEncoder)}

    def classifier(self, name: str) -> ProbeEncoder | Classifier:
        """The classifier of that name, which may be a probe."""
        return self.classifiers.get(name) or self.probes[name]

    def classified_features(self, classifier: str) -> str | None:
        """The encoder of a classifier's input features, itself for a probe; None if its input are images."""
        return classifier if classifier in self.probes else getattr(self.classifiers[classifier], "encoder", None)

    def evaluated_samples(self, dataset: str, *, ceiling: bool = True) -> list[tuple[str, str]]:
        """(run, sampling) of all samples in the dataset's evaluation, with those of the ceiling if `ceiling`."""
        spec = self.evaluations[dataset]
        sampled = [(run, str(spec.sampling)) for run in spec.runs or ()]
        sampled += [(run, str(spec.sampling)) for run in self.null_runs(dataset) if run not in (spec.runs or ())]
        with_ceiling = ceiling and spec.ceiling is not None and spec.reference is not None
        return [*sampled, (str(spec.reference), str(spec.ceiling))] if with_ceiling else sampled

    def null_models(self, dataset: str) -> dict[str, str]:
        """Evaluated run -> the Gaussian flow of its training latents; empty if the evaluation wants none."""
        spec = self.evaluations[dataset]
        if not spec.null_model:
            return {}
        flows = {run.training_data: name for name, run in reversed(self.runs.items()) if run.gaussian}
        return {run: flows[self.runs[run].training_data] for run in spec.runs or ()}

    def untrained(self, dataset: str) -> str | None:
        """The untrained network beside the reference of an evaluation, if it wants null models."""
        name = untrained_name(str(self.evaluations[dataset].reference))
        return name if self.evaluations[dataset].null_model and name in self.runs else None

    def null_runs(self, dataset: str) -> list[str]:
        """The distinct null models of an evaluation: Gaussian flows, and the untrained network."""
        untrained = self.untrained(dataset)
        return list(dict.fromkeys([*self.null_models(dataset).values(), *([untrained] if untrained else [])]))

    def measured(self, dataset: str) -> dict[str, tuple[str, ...]]:
        """Runs and mixtures -> the runs they consist of."""
        spec = self.evaluations[dataset]
        return {run: (run,) for run in spec.runs or ()} | {name: each.runs for name, each in spec.mixtures.items()}

    def measured_quality(self, dataset: str) -> dict[str, tuple[str, ...]]:
        """`measured`, and the null models."""
        return {**self.measured(dataset), **{run: (run,) for run in self.null_runs(dataset)}}

    def modes(self, dataset: str) -> dict[str, tuple[str, str]]:
        """The dataset's evaluated runs that were trained on one value of an attribute -> attribute and value, for
        attributes that a classifier of the evaluation predicts."""
        found = {run: self.subsets.get(str(self.runs[run].subset)) for run in self.evaluations[dataset].runs or ()}
        alone = {run: (s.attribute, s.value) for run, s in found.items() if isinstance(s, AttributeValueSubset)}
        return {run: mode for run, mode in alone.items() if self._is_predicted(dataset, mode[0])}

    def _is_predicted(self, dataset: str, attribute: str) -> bool:
        """Whether a classifier of the evaluation predicts `attribute`: a probe predicts all of its own dataset."""
        for name in self.evaluations[dataset].classifiers or ():
            if name in self.probes:
                if self.probes[name].dataset == dataset:
                    return True
            elif attribute in self.classifiers[name].attributes:
                return True
        return False

    def trained_runs(self, dataset: str) -> list[str]:
        """The dataset's evaluated runs that are trained here, so have a curve."""
        return [run for run in self.evaluations[dataset].runs or () if self.runs[run].trained]

    def validated_runs(self, dataset: str) -> list[str]:
        """The trained runs whose validation loss over t is measured."""
        return [run for run in self.trained_runs(dataset) if self.runs[run].objective.predicts_velocity]

    def velocity_fields(self, dataset: str) -> list[str]:
        """The evaluated runs and null models that are velocity fields, so have a flow-matching loss."""
        every = dict.fromkeys([*(self.evaluations[dataset].runs or ()), *self.null_runs(dataset)])
        return [run for run in every if self.runs[run].objective.predicts_velocity]

    def compared_pairs(self, dataset: str) -> list[tuple[str, str]]:
        """(run, reference): every run with the evaluation's reference, then the inverse pairs, without duplicates."""
        spec = self.evaluations[dataset]
        compared = [(run, str(spec.reference)) for run in spec.runs or () if run != spec.reference]
        return list(dict.fromkeys([*compared, *spec.inverse_pairs]))

    def null_pairs(self, dataset: str) -> list[tuple[str, str]]:
        """(null model, reference): those of the reference's own data with the reference, then the Gaussian flows of
        every other compared pair with each other."""
        reference, flows = str(self.evaluations[dataset].reference), self.null_models(dataset)
        own = [(name, reference) for name in (flows.get(reference), self.untrained(dataset)) if name is not None]
        others = [(flows[run], flows[other]) for run, other in self.compared_pairs(dataset) if flows]
        known = self.compared_pairs(dataset)
        return [pair for pair in dict.fromkeys([*own, *others]) if len(set(pair)) == 2 and pair not in known]

    def trajectory_pairs(self, dataset: str) -> list[tuple[str, str]]:
        """The compared pairs whose trajectories can be compared."""
        return [
            pair
            for pair in self.compared_pairs(dataset)
            if all(self.runs[run].objective.predicts_velocity for run in pair)
        ]

    def traced_runs(self, dataset: str) -> list[str]:
        """The distinct runs of the trajectory pairs."""
        return list(dict.fromkeys(run for pair in self.trajectory_pairs(dataset) for run in pair))

    def trajectory_identity(self, run: str, sampling: str) -> dict[str, Any]:
        """The part of a sampling that defines each trajectory of this run."""
        return {key: value for key, value in self.sampling_identity(run, sampling).items() if key != "count"}

    def traced_noises(self, run: str, sampling: str) -> int:
        """The number of noises whose trajectories the evaluations need for this run."""
        counts = [
            spec.paths
            for dataset, spec in self.evaluations.items()
            if spec.sampling == sampling and run in self.traced_runs(dataset)
        ]
        return max(counts, default=0)

    def clustering_of(self, dataset: str) -> str | None:
        """The dataset's first clustering, which figures show."""
        return next((name for name, spec in self.clusterings.items() if spec.dataset == dataset), None)

    @property
    def pruned_datasets(self) -> list[str]:
        """The datasets that have subsets."""
        return [name for name in self.datasets if self.subsets_of(name)]

    def subsets_of(self, dataset: str) -> list[str]:
        return [name for name, subset in self.subsets.items() if subset.dataset == dataset]

    def pruned_by(self, dataset: str) -> list[str]:
        """The distinct clusterings that are used to select the dataset's subsets."""
        named = dict.fromkeys(getattr(self.subsets[name], "clusters", None) for name in self.subsets_of(dataset))
        return [clustering for clustering in named if clustering is not None]

    def evaluated_subsets(self, dataset: str) -> list[str]:
        """The distinct subsets of the dataset on which its evaluated runs are trained."""
        own = [run for run in self.evaluations[dataset].runs or () if self.runs[run].dataset == dataset]
        subsets = dict.fromkeys(self.runs[run].subset for run in own)
        return [subset for subset in subsets if subset is not None]
