"""What all specs are made of."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
Name = Annotated[str, Field(pattern=NAME)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def identity(self) -> dict[str, Any]:
        """All that defines the result, as JSON can hold it."""
        return self.model_dump(mode="json", exclude={"label", "expected_images"})

    encoder_kind: ClassVar[str | None] = None
    """The kind that its field `encoder` has to name, if not any."""

    @property
    def does_without(self) -> set[str]:
        """Fields that name another entry of the study, and may stay empty."""
        return set()
