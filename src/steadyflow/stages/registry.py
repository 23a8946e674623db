"""Every stage by its name, in the order of the work, and the values that wildcards take."""

from collections.abc import Iterable

from steadyflow.stages.attributes import CLASSIFY_SAMPLES
from steadyflow.stages.data import PREPARE_DATASET
from steadyflow.stages.encoders import EMBED_IMAGES, TRAIN_PROBE
from steadyflow.stages.exhibits import DRAW_FIGURE, FIGURES, TABLES, WRITE_REPORT, WRITE_TABLE
from steadyflow.stages.image_attributes import CLASSIFY_IMAGES
from steadyflow.stages.metrics import (
    MEASURE_FAIRNESS,
    MEASURE_LOSS,
    MEASURE_PATHS,
    MEASURE_QUALITY,
    MEASURE_SIMILARITY,
    MEASURE_TOKENIZERS,
    PREPARE_REFERENCE,
)
from steadyflow.stages.pruning import (
    CLUSTER_EMBEDDINGS,
    COMPARE_CLUSTER_NUMBERS,
    COMPARE_SUBSETS,
    LIST_DROPPED,
    SCORE_SAMPLES,
    SELECT_SUBSET,
    WRITE_PRUNE_PAGE,
)
from steadyflow.stages.runs import TRAIN_RUN
from steadyflow.stages.samples import EMBED_SAMPLES, SAMPLE_RUN, TRACE_PATHS
from steadyflow.stages.stage import Stage
from steadyflow.stages.tokenizers import ENCODE_LATENTS, TRAIN_TOKENIZER
from steadyflow.study import Study

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        PREPARE_DATASET,
        TRAIN_TOKENIZER,
        ENCODE_LATENTS,
        TRAIN_PROBE,
        EMBED_IMAGES,
        CLUSTER_EMBEDDINGS,
        COMPARE_CLUSTER_NUMBERS,
        SCORE_SAMPLES,
        SELECT_SUBSET,
        LIST_DROPPED,
        COMPARE_SUBSETS,
        WRITE_PRUNE_PAGE,
        TRAIN_RUN,
        SAMPLE_RUN,
        TRACE_PATHS,
        EMBED_SAMPLES,
        CLASSIFY_IMAGES,
        CLASSIFY_SAMPLES,
        MEASURE_TOKENIZERS,
        PREPARE_REFERENCE,
        MEASURE_QUALITY,
        MEASURE_LOSS,
        MEASURE_SIMILARITY,
        MEASURE_PATHS,
        MEASURE_FAIRNESS,
        WRITE_TABLE,
        DRAW_FIGURE,
        WRITE_REPORT,
    )
}

FIXED = ("study", "table", "figure")
"""Wildcards that their rules fill in."""


def entries(study: Study) -> dict[str, Iterable[str]]:
    """The values that each wildcard may take."""
    measured = dict.fromkeys(name for dataset in study.evaluations for name in study.measured_quality(dataset))
    return {
        "dataset": study.datasets,
        "tokenizer": study.tokenizers,
        "encoder": study.encoders,
        "classifier": [*study.probes, *study.classifiers],
        "clustering": study.clusterings,
        "subset": study.subsets,
        "run": study.runs,
        "measured": measured,
        "sampling": study.samplings,
        "study": [study.name],
        "table": TABLES,
        "figure": FIGURES,
    }
