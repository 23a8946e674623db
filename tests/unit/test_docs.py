"""Links of the documentation lead to files that a clone has."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


@pytest.fixture(scope="module")
def tracked():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git repository")
    return {ROOT / name for name in listed.stdout.split("\0") if name}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_and_what_it_links_to_are_part_of_the_repository(page, tracked):
    assert page in tracked
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    targets = {(page.parent / link).resolve() for link in links if "://" not in link}
    missing = {target for target in targets if target not in tracked and not any(target in t.parents for t in tracked)}
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_names_is_there(page):
    places = "benchmarks|envs|profiles|resources|src|studies|tests|workflow"
    named = re.findall(rf"`((?:{places})/[\w./-]+\.\w+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
