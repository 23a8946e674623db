"""What all specs are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
Name = Annotated[str, Field(pattern=NAME)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Refers:
    """Marks a field whose value, or each of whose values, names an entry of a section of the study."""

    section: str


@dataclass(frozen=True)
class Neutral:
    """Marks a field that came after results existed: with this value it changes no identity, so no result is made
    anew because of it."""

    value: Any


@dataclass(frozen=True)
class Reference:
    """The entries of a section that a field of a spec names; none where the field is empty."""

    field: str
    section: str
    names: tuple[str, ...]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    encoder_kind: ClassVar[str | None] = None
    """The kind of encoder that its field `encoder` has to name, if not any."""

    def identity(self) -> dict[str, Any]:
        """All that defines the result, as JSON can hold it: every field but labels, expectations, and neutral values
        of later fields."""
        marked = {name: note for name, note in _notes(type(self)) if isinstance(note, Neutral)}
        neutral = {name for name, note in marked.items() if getattr(self, name) == note.value}
        return self.model_dump(mode="json", exclude={"label", "expected_images"} | neutral)

    @property
    def optional_references(self) -> set[str]:
        """Fields that refer to other entries and may stay empty; any other means the only entry where it is empty."""
        return set()

    def references(self) -> Iterator[Reference]:
        """Every field that refers to entries of the study, with those that it names, in the order of the fields."""
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
