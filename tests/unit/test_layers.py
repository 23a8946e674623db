"""Each floor of the library imports only from those under it (docs: the layout)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import steadyflow

LIBRARY = Path(steadyflow.__file__).parent
FLOORS = [
    {"ground"},
    {"models", "flow", "data", "fetch"},
    {"train", "encoders"},
    {"fields"},
    {"classifiers"},
    {"prune", "evaluate"},
    {"claims"},
    {"report", "prune_page"},
    {"study"},
    {"design"},
    {"stages"},
    {"plan"},
    {"monitor"},
]
FLOOR_OF = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}


def modules():
    return sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")


def package_of(path):
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported_packages(path):
    """The packages of the library that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "steadyflow" else [module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("steadyflow.")}
    return found


def test_every_package_has_a_floor():
    assert {package_of(path) for path in modules()} == set(FLOOR_OF)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_imports_go_down_and_never_sideways(path):
    package = package_of(path)
    allowed = {p for p, floor in FLOOR_OF.items() if floor < FLOOR_OF[package]} | {package}
    assert imported_packages(path) <= allowed


def test_a_study_stands_on_the_ground_alone():
    used = set().union(*(imported_packages(path) for path in modules() if package_of(path) == "study"))
    assert used <= {"study", "ground"}


def test_a_design_stands_on_a_study_alone():
    used = set().union(*(imported_packages(path) for path in modules() if package_of(path) == "design"))
    assert used <= {"design", "study", "ground"}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("steadyflow.study", {"torch", "numpy", "pandas", "sklearn", "matplotlib"}),
        ("steadyflow.design.by_fraction", {"torch", "numpy", "pandas", "sklearn", "matplotlib"}),
        ("steadyflow.design.by_k", {"torch", "numpy", "pandas", "sklearn", "matplotlib"}),
        ("steadyflow.plan.targets", {"torch", "numpy", "pandas", "sklearn", "matplotlib"}),
        ("steadyflow.ground.artifacts", {"torch", "numpy", "pandas"}),
        ("steadyflow.data.listing", {"torch", "numpy", "pandas", "pyarrow", "PIL"}),
        ("steadyflow.ground.results_lock", {"torch", "numpy", "pandas"}),
        ("steadyflow.fetch.lock", {"torch", "numpy", "pandas", "httpx2", "huggingface_hub"}),
        ("steadyflow.ground.command_line", {"torch", "pandas"}),
        ("steadyflow.prune", {"torch", "sklearn"}),
        ("steadyflow.classifiers", {"torch", "pandas", "transformers"}),
    ],
)
def test_what_is_imported_at_every_parse_is_light(module, heavy):
    code = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_a_file_has_one_job_and_350_lines_at_most(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
