"""What an entry of a study is made from."""

from collections.abc import Iterator

from steadyflow.study.specs import Study
from steadyflow.study.specs.fields import Spec

_SECTIONS = {"scorings": ("scorings", "runs"), "datasets": ()}
"""Section that a field refers to -> the sections in which its value names an entry, where that is another: a scoring
bears the name of its surrogate run, and the images themselves are what everything is made from."""


def upstream(study: Study, spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    """(section, name, spec) of every entry that `spec` is made from, each followed by what that is made from."""
    for reference in spec.references():
        for name in reference.names:
            for section in _SECTIONS.get(reference.section, (reference.section,)):
                entry = getattr(study, section)[name]
                yield section, name, entry
                yield from upstream(study, entry)
