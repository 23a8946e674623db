"""The typed study. Imports no torch, since every job parses the Snakefile."""

from steadyflow.study.load import load_study, parse_study
from steadyflow.study.schema import study_schema
from steadyflow.study.specs import Study

__all__ = ["Study", "load_study", "parse_study", "study_schema"]
