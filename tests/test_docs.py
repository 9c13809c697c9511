"""The docs tell the truth: their code runs, prints what they say, and their links lead somewhere.

The blocks of a page run in order in one fresh interpreter with warnings as errors, and share one
namespace. A ``text`` block that follows a ``python`` block is exactly what that block prints; a
``console`` block that feeds Python a program shows exactly what the program prints.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
PROGRAM = re.compile(r"\$ python - <<'EOF'\n(.*?)^EOF\n(.*)", re.MULTILINE | re.DOTALL)
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/\]~-])/(?:bin|etc|home|mnt|opt|private|root|srv|tmp|usr|var|work|Users)\b"
    r"|\b[A-Z]:\\|file://"
)

# Runs blocks of code one after another in one namespace, and tells what each has printed.
RUNNER = """
import contextlib, io, json, sys
page, blocks = json.load(sys.stdin)
namespace = {"__name__": "__main__"}
printed = []
for line, source in blocks:
    code = compile("\\n" * (line - 1) + source, page, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, namespace)
    printed.append(output.getvalue())
print(json.dumps(printed))
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    line: int
    """The number of the first line inside the fence."""
    follows: str
    """What stands between the end of the block before and this one."""


def blocks_of(text: str) -> Iterator[Block]:
    end = 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(match[1], match[2], line, text[end : match.start()])
        end = match.end()


def python(program: str, stdin: str, directory: Path) -> str:
    """Run Python without tolerance for warnings, and return what it prints."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", "-c", program],
        input=stdin,
        cwd=directory,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def run_page(name: str, text: str, directory: Path) -> list[tuple[Block, str, str | None]]:
    """Run a page; return each python block, what it printed, and what the page says it prints."""
    blocks = list(blocks_of(text))
    code = [block for block in blocks if block.kind == "python"]
    if not code:
        return []
    sources = [(block.line, block.text) for block in code]
    printed = json.loads(python(RUNNER, json.dumps([name, sources]), directory))
    said = []
    for block in code:
        after = blocks[blocks.index(block) + 1 :][:1]
        shown = after and after[0].kind == "text" and not after[0].follows.strip()
        said.append(after[0].text if shown else None)
    return list(zip(code, printed, said, strict=True))


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_python_blocks_run_and_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block, printed, said in run_page(page.name, text, tmp_path):
        assert printed == (said or ""), f"the block at line {block.line} of {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_programs_in_console_blocks_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page.read_text(encoding="utf-8")):
        match = PROGRAM.fullmatch(block.text) if block.kind == "console" else None
        if match is not None:
            assert python(match[1], "", tmp_path) == match[2], f"line {block.line} of {page.name}"


def test_the_pages_that_teach_have_code() -> None:
    themes = "tutorial workflows inputs failures limits agents testing coming-from seeing design"
    for name in (
        "README.md",
        *[f"docs/{theme}.md" for theme in (themes + " providers processes telemetry").split()],
    ):
        kinds = [block.kind for block in blocks_of((ROOT / name).read_text(encoding="utf-8"))]
        assert "python" in kinds, name


def slug(heading: str) -> str:
    """Return the anchor of a heading, as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page; those of equal headings are numbered."""
    found: Counter[str] = Counter()
    names = set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        name = slug(heading)
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_here = target.is_relative_to(ROOT) and target.exists() and not path.startswith("/")
        if not is_here or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_no_absolute_paths(page: Path) -> None:
    assert ABSOLUTE_PATH.findall(page.read_text(encoding="utf-8")) == []


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        if page.name != "index.md":
            assert f"]({page.name})" in index, page.name


def test_make_targets_in_the_docs_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:`|^)make ([\w-]+)", page.read_text("utf-8"), re.MULTILINE):
            assert target in targets, f"make {target} in {page.name}"


# The checks themselves: each must be able to fail


def test_a_block_that_fails_fails_the_page_and_names_its_line(tmp_path: Path) -> None:
    text = "Words.\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n"
    with pytest.raises(AssertionError, match=r"page\.md\", line 8"):
        run_page("page.md", text, tmp_path)


def test_a_warning_fails_the_page(tmp_path: Path) -> None:
    text = "```python\nimport warnings\nwarnings.warn('old', DeprecationWarning)\n```\n"
    with pytest.raises(AssertionError, match="DeprecationWarning"):
        run_page("page.md", text, tmp_path)


def test_output_belongs_to_the_block_that_it_follows_directly(tmp_path: Path) -> None:
    text = (
        "```python\nprint('a')\n```\n\n```text\nb\n```\n\n"
        "```python\nprint('c')\n```\nBetween.\n```text\nd\n```\n"
    )
    results = [(printed, said) for _, printed, said in run_page("page.md", text, tmp_path)]
    assert results == [("a\n", "b\n"), ("c\n", None)]


def test_broken_links_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A page, with *stars*\n[1](page.md) [2](gone.md) [3](#a-page-with-stars) [4](#gone)\n"
        "[5](/page.md) [6](https://example.org/gone) [7](../page.md)\n"
        "# Twice\n# Twice\n[8](#twice) [9](#twice-1) [10](#twice-2)\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["gone.md", "#gone", "/page.md", "../page.md", "#twice-2"]


def test_absolute_paths_are_found() -> None:
    for text in ("see /home/somebody/x", "(/tmp/y)", "C:\\z", "file:///etc/passwd"):
        assert ABSOLUTE_PATH.search(text), text
    for text in ("src/cascade/runtime", "a/b", "https://example.org/home/x", "and/or", "1/second"):
        assert not ABSOLUTE_PATH.search(text), text
