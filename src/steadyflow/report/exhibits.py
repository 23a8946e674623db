"""The exhibits: every table and figure, one file each in `report/tables` and `report/figures`.

A file is an ordinary module. What the workflow has to know of it is read from its text: every Snakemake job parses the
workflow again, and none of them may import pandas or matplotlib for it:

| in the file | what it is |
|---|---|
| the module's docstring | the caption in the study's report |
| TITLE, CATEGORY | its title, and the section of the report |
| NEEDS | the condition under which an evaluation has it, one of `stages.readings.CONDITIONS` |
| `table(...)`, `figure(...)` | makes it; its parameters name what it reads, of `stages.readings.READINGS` |

A table is a `typeset.Table`, a figure the list of its pages (`style.write_figure`).
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from steadyflow.ground.artifacts import UserError

Kind = Literal["table", "figure"]
CATEGORIES = ("Data", "Pruning", "Training", "Stability", "Quality", "Fairness", "Memorisation", "Claims")


@dataclass(frozen=True)
class Exhibit:
    """A table or figure. `reads`: the names of what its function is given, in the order of its parameters."""

    name: str
    kind: Kind
    title: str
    category: str
    needs: str
    reads: tuple[str, ...]
    caption: str
    file: Path

    @property
    def make(self) -> Callable[..., Any]:
        """Its function. Imports its module, and with it pandas or matplotlib."""
        return getattr(import_module(f"steadyflow.report.{self.kind}s.{self.name}"), self.kind)


def find_exhibits(kind: Kind) -> dict[str, Exhibit]:
    """All exhibits of a kind by name. Raises UserError naming the file of one that is not well-formed."""
    folder = Path(__file__).parent / f"{kind}s"
    files = sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))
    return {file.stem: read_exhibit(file, kind) for file in files}


def read_exhibit(file: Path, kind: Kind) -> Exhibit:
    """One exhibit from the text of its file. Raises UserError naming the file and what is missing in it."""
    module = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    caption = " ".join((ast.get_docstring(module) or "").split())
    if not caption:
        raise UserError(f"{file}: has no docstring; it is the caption in the study's report")
    constants = _text_constants(module)
    for name in ("TITLE", "CATEGORY", "NEEDS"):
        if not constants.get(name):
            raise UserError(f'{file}: has no {name}; give it a text, as `{name} = "..."` outside of any function')
    if constants["CATEGORY"] not in CATEGORIES:
        raise UserError(f"{file}: CATEGORY '{constants['CATEGORY']}' is none of {', '.join(CATEGORIES)}")
    return Exhibit(
        name=file.stem,
        kind=kind,
        title=constants["TITLE"],
        category=constants["CATEGORY"],
        needs=constants["NEEDS"],
        reads=_parameters(module, kind, file),
        caption=caption,
        file=file,
    )


def _text_constants(module: ast.Module) -> dict[str, str]:
    """The module's assignments of literal texts."""
    return {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _parameters(module: ast.Module, kind: Kind, file: Path) -> tuple[str, ...]:
    """Those of the one public function."""
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    public = [function.name for function in functions if not function.name.startswith("_")]
    if public != [kind]:
        raise UserError(f"{file}: its one public function is to be `{kind}`, found {', '.join(public) or 'none'}")
    arguments = next(function.args for function in functions if function.name == kind)
    if arguments.posonlyargs or arguments.vararg or arguments.kwarg or arguments.defaults or any(arguments.kw_defaults):
        raise UserError(f"{file}: parameters of `{kind}` are given by name, and have neither defaults nor stars")
    return tuple(argument.arg for argument in (*arguments.args, *arguments.kwonlyargs))
