"""The null models of evaluations, added to a study's runs: what would be measured if nothing had been learned."""

from steadyflow.ground.artifacts import UserError
from steadyflow.study.specs import Run, Study
from steadyflow.study.specs.study import gaussian_name, untrained_name


def with_null_models(study: Study) -> Study:
    """The study with a Gaussian flow for each distinct training data of its evaluations' runs, and an untrained network
    for each reference; where the study has such a flow itself, that one stands for it. Raises UserError where a run has
    the name of a null model."""
    runs, added = dict(study.runs), dict[str, Run]()
    for spec in study.evaluations.values():
        if not spec.null_model or spec.reference is None:
            continue
        flows = {run.training_data for run in runs.values() if run.gaussian}
        for name in dict.fromkeys([spec.reference, *(spec.runs or ())]):
            run = runs[name]
            if run.training_data not in flows:
                flows.add(run.training_data)
                added[gaussian_name(name)] = _gaussian_flow(run, f"Gaussian flow of {study.label(name)}")
        added[untrained_name(spec.reference)] = _untrained(runs[spec.reference])
        runs |= added
    if taken := [name for name in added if name in study.runs]:
        raise UserError(
            "\n".join(f"runs.{name}: is the name of a null model; name this run otherwise" for name in taken)
        )
    return study.model_copy(update={"runs": runs})


def _gaussian_flow(run: Run, label: str) -> Run:
    return Run(gaussian=True, label=label, **{key: getattr(run, key) for key in Run.data})


def _untrained(reference: Run) -> Run:
    """The initial weights: of a DiT the velocity is 0, so its samples are the decoded noise."""
    data = {key: getattr(reference, key) for key in Run.data}
    return Run(model=reference.model, steps=0, label="untrained network", **data)
