"""The entries of a study on which an entry depends."""

from collections.abc import Iterator

from steadyflow.study.specs import Study
from steadyflow.study.specs.fields import Spec

_SECTIONS = {"scorings": ("scorings", "runs"), "datasets": ()}
"""Section that a field refers to -> sections of the entries of that name, if different: a scoring has the name of its
surrogate run, and datasets, on which everything depends, are omitted."""


def dependencies(study: Study, spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    """(section, name, spec) of every entry on which `spec` depends, depth first."""
    for reference in spec.references():
        for name in reference.names:
            for section in _SECTIONS.get(reference.section, (reference.section,)):
                entry = getattr(study, section)[name]
                yield section, name, entry
                yield from dependencies(study, entry)
