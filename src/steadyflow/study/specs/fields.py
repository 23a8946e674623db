"""The base class of specs, and types of their fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
Name = Annotated[str, Field(pattern=NAME)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Refers:
    """Marks a field whose value or values are names of entries of a section of the study."""

    section: str


@dataclass(frozen=True)
class Neutral:
    """Marks a field that was added later: with this value it is not part of the identity, so that existing results stay
    valid."""

    value: Any


@dataclass(frozen=True)
class Reference:
    """The entries of a section to which a field of a spec refers; none if the field is empty."""

    field: str
    section: str
    names: tuple[str, ...]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    encoder_kind: ClassVar[str | None] = None
    """The required kind of encoder in the field `encoder`, None for any."""

    def identity(self) -> dict[str, Any]:
        """Everything that defines the result, JSON-serialisable: all fields but labels, expectations, and neutral
        values of later fields."""
        marked = {name: note for name, note in _notes(type(self)) if isinstance(note, Neutral)}
        neutral = {name for name, note in marked.items() if getattr(self, name) == note.value}
        return self.model_dump(mode="json", exclude={"label", "expected_images"} | neutral)

    @property
    def optional_references(self) -> set[str]:
        """References that may stay empty; others refer to the only entry of their section by default."""
        return set()

    def references(self) -> Iterator[Reference]:
        """All references to entries of the study, in the order of the fields."""
        for name, note in _notes(type(self)):
            if isinstance(note, Refers):
                yield Reference(name, note.section, tuple(_names(getattr(self, name))))


def _notes(spec: type[Spec]) -> Iterator[tuple[str, Any]]:
    return ((name, note) for name, field in spec.model_fields.items() for note in field.metadata)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif value is not None:
        for part in value:
            yield from _names(part)
