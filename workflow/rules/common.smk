# The study, and lookups in it: names become specs and paths.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from steadyflow.artifacts import UserError
from steadyflow.report.catalogue import FIGURES, TABLES
from steadyflow.study import load_study, paths

STUDY_FILE = workflow.overwrite_configfiles[-1] if workflow.overwrite_configfiles else "config.yaml"
try:
    study = load_study(STUDY_FILE)
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = study.results
DEVICE = config.get("device", "auto")
SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
PYTHON = shlex.quote(sys.executable)


wildcard_constraints:
    dataset="|".join(map(re.escape, study.datasets)) or "^$",
    tokenizer="|".join(map(re.escape, study.tokenizers)) or "^$",
    encoder="|".join(map(re.escape, study.encoders)) or "^$",
    clustering="|".join(map(re.escape, study.clusterings)) or "^$",
    subset="|".join(map(re.escape, study.subsets)) or "^$",
    run="|".join(map(re.escape, study.runs)) or "^$",
    sampling="|".join(map(re.escape, study.samplings)) or "^$",


def identity(section):
    """The spec that a rule's wildcard names, as params: an edit of it, and of it alone, reruns the rule."""
    return lambda wildcards: getattr(study, f"{section}s")[wildcards[section]].identity()
