"""Links between the pages, the examples and the code lead somewhere, and nothing is left out."""

from __future__ import annotations

import ast
import re

import pytest

from tests.helpers.doc_pages import PAGES
from tests.helpers.paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BENCHMARKS = sorted(
    path
    for path in (ROOT / "tests/benchmarks").glob("*.py")
    if not path.name.startswith(("_", "test_"))
)
README = (ROOT / "README.md").read_text("utf-8")


def anchors(text: str) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\((?!https://)([^)]+)\)", page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_the_readme_links_every_page_and_example():
    for page in PAGES[1:]:
        assert f"(docs/{page.name})" in README
    for example in (*EXAMPLES, ROOT / "examples/tutorial.ipynb"):
        assert f"(examples/{example.name})" in README, example.name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_begins_with_what_it_shows(example):
    docstring = ast.get_docstring(ast.parse(example.read_text("utf-8")))
    assert docstring is not None
    assert docstring[0].isupper()
    assert docstring.splitlines()[0].endswith(".")
    assert f"examples/{example.name}" in docstring  # how it is run


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda benchmark: benchmark.name)
def test_a_measurement_by_hand_begins_with_how_it_is_run(benchmark):
    command = f"python -m tests.benchmarks.{benchmark.stem}"
    assert command in (ast.get_docstring(ast.parse(benchmark.read_text("utf-8"))) or "")
    assert f"`{command}`" in (ROOT / "docs/developing.md").read_text("utf-8")
