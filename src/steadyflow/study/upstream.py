"""What an entry of a study is made from."""

from collections.abc import Iterator

from steadyflow.study.specs import Study
from steadyflow.study.specs.fields import Spec

SECTIONS = {
    "clusters": ("clusterings",),
    "scores": ("scorings", "runs"),
    "encoder": ("encoders",),
    "tokenizer": ("tokenizers",),
}
"""Field of a spec -> the sections of the study in which its value names an entry."""


def upstream(study: Study, spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    """(section, name, spec) of every entry that `spec` is made from, each followed by what that is made from."""
    for field, sections in SECTIONS.items():
        name: str | None = getattr(spec, field, None)
        if name is None:
            continue
        for section in sections:
            entry = getattr(study, section)[name]
            yield section, name, entry
            yield from upstream(study, entry)
    for name in getattr(spec, "members", ()):
        yield "subsets", name, study.subsets[name]
        yield from upstream(study, study.subsets[name])
