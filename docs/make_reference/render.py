"""The pages as Markdown."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TypeVar

from docs.make_reference.docstrings import code, markdown
from docs.make_reference.members import (
    Attribute,
    Method,
    attributes,
    bases,
    construction,
    constructor,
    methods,
    signature,
)
from docs.make_reference.pages import HANDED_OUT, INTERNAL, Chapter, Entry, Page, contents
from docs.make_reference.sources import Definition, Function, PageError

NOTE = "<!-- Made from the docstrings by `make reference`: change these, not this page. -->"

Links = dict[str, str]
"""Where each documented name is explained: page and anchor."""


def render() -> dict[str, str]:
    """Return the text of each page of the reference, by its file name.

    Raises:
        PageError: a name has no page, or a table speaks of something that isn't there.
    """
    pages = contents()
    links: Links = {}
    for page, chapters in pages.items():
        anchors = Anchors()
        for entry in entries_of(chapters):
            links |= _places(f"{page.slug}.md", entry, anchors)
    _check_internal([entry for chapters in pages.values() for entry in entries_of(chapters)])
    made = {"index.md": _index(pages, links)}
    for page, chapters in pages.items():
        made[f"{page.slug}.md"] = _page(page, chapters, links)
    return made


def entries_of(chapters: list[Chapter]) -> list[Entry]:
    """Return all entries of some chapters."""
    return [entry for chapter in chapters for entry in chapter.entries]


class Anchors:
    """The anchors of a page, as the usual renderers make them of its headings."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, heading: str) -> str:
        """Return the anchor of the next heading of a page; `Task` after `task` has another."""
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        self._seen[slug] += 1
        return f"{slug}-{self._seen[slug] - 1}" if self._seen[slug] > 1 else slug


def _places(file: str, entry: Entry, anchors: Anchors) -> Links:
    definition = entry.definition
    target = f"{file}#{anchors.of(entry.title)}"
    found = {definition.name: target, entry.title: target}
    if definition.is_class:
        for method in _shown(definition, methods(definition)):
            title = f"{entry.name}.{method.name}"
            found[title] = f"{file}#{anchors.of(title)}"
    return found


def _index(pages: dict[Page, list[Chapter]], links: Links) -> str:
    parts = [
        NOTE,
        "# Reference",
        "Every public name, as its docstring explains it. Names that begin with `cs.` are those "
        "of `import cascade as cs`. Times are seconds.",
    ]
    for page, chapters in pages.items():
        names = [f"[`{entry.title}`]({links[entry.title]})" for entry in entries_of(chapters)]
        parts += [f"## [{page.title}]({page.slug}.md)", ", ".join(names)]
    return "\n\n".join(parts) + "\n"


def _page(page: Page, chapters: list[Chapter], links: Links) -> str:
    parts = [NOTE, f"# {page.title}"]
    if page.intro:
        parts.append(page.intro)
    for chapter in chapters:
        if chapter.module:
            imported = f"From `{chapter.module}`."
            parts.append(imported if not chapter.doc else f"{markdown(chapter.doc)}\n\n{imported}")
        for entry in chapter.entries:
            parts += _entry(entry, chapter, links)
    text = "\n\n".join(part for part in parts if part) + "\n"
    return _linked(text, links, f"{page.slug}.md")


def _entry(entry: Entry, chapter: Chapter, links: Links) -> list[str]:
    definition = entry.definition
    node = definition.node
    parts = [f"## `{entry.title}`"]
    if not chapter.module and not entry.title.startswith("cs."):
        parts.append(f"From `{definition.module.name}`.")
    if isinstance(node, ast.ClassDef):
        parts += _class(entry, links)
    elif isinstance(node, Function):
        parts += [
            _code(signature(node, definition.module, entry.name)),
            markdown(definition.doc),
        ]
    else:
        assert node.value is not None
        parts += [
            _code(f"{definition.name} = {definition.module.source(node.value)}"),
            markdown(definition.doc),
        ]
    return parts


def _class(entry: Entry, links: Links) -> list[str]:
    definition = entry.definition
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    named = [definition.module.source(base) for base in node.bases]
    is_protocol = any(name.startswith("Protocol") for name in named)
    handed_out = definition.name in HANDED_OUT or definition.module.name.endswith(".events")
    parts, apart = [], ""
    if handed_out or is_protocol or definition.module.name.endswith(".errors"):
        shown = [name for name in named if not name.startswith(("_", "Generic"))]
        inherits = f"({', '.join(shown)})" if shown else ""
        parts.append(_code(f"class {entry.name}{inherits}"))
    else:
        parts.append(_code(constructor(definition, entry.name)))
        apart = markdown(construction(definition))
    doc = definition.doc.partition("\n\nArgs:\n")[0] if handed_out else definition.doc
    parts += [markdown(doc), apart]
    described = _shown(definition, attributes(definition))
    if described:
        lines = []
        for attribute in described:
            kind = f" (`{attribute.type}`)" if attribute.type else ""
            lines.append(f"- `{attribute.name}`{kind}: {_inline(attribute.doc)}")
        parts += ["Attributes:", "\n".join(lines)]
    inherited = [base.name for base in bases(definition) if base.name in links and _offers(base)]
    if inherited:
        parts.append(f"It also has what {' and '.join(f'`{name}`' for name in inherited)} has.")
    for method in _shown(definition, methods(definition)):
        parts += [
            f"### `{entry.name}.{method.name}`",
            _code(method.signature),
            markdown(method.doc),
        ]
    return parts


def _offers(definition: Definition) -> bool:
    """Whether a class has anything to look up, also by inheritance."""
    has_own = attributes(definition) or methods(definition)
    return bool(has_own) or any(map(_offers, bases(definition)))


Member = TypeVar("Member", Attribute, Method)


def _shown(definition: Definition, members: list[Member]) -> list[Member]:
    """Leave out what is for other parts of the library."""
    hidden = INTERNAL.get(definition.name, "").split()
    return [member for member in members if member.name not in hidden]


def _check_internal(entries: list[Entry]) -> None:
    """Refuse a table of internal members that speaks of what isn't there any more."""
    there: dict[str, set[str]] = {}
    for definition in [entry.definition for entry in entries if entry.definition.is_class]:
        there[definition.name] = {attribute.name for attribute in attributes(definition)}
        there[definition.name] |= {method.name for method in methods(definition)}
    for owner, names in INTERNAL.items():
        for name in names.split():
            if name not in there.get(owner, ()):
                raise PageError(
                    f"INTERNAL in docs/make_reference/pages.py names {owner}.{name}, but no page "
                    "would show such a member: take it out of the table"
                )


def _inline(doc: str) -> str:
    return code(" ".join(doc.split()))


def _code(text: str) -> str:
    # Not `python`: those blocks are run by the tests, and these are declarations.
    return f"```py\n{text}\n```"


def _linked(text: str, links: Links, here: str) -> str:
    """Make links of the names in running text; headings and blocks stay as they are."""

    def link(match: re.Match[str]) -> str:
        name = match[1].removesuffix("()")
        target = links.get(name)
        # A plain word such as `task` is an argument as often as it is the function.
        if target is None or (name[0].islower() and "." not in name):
            return match[0]
        file, _, anchor = target.partition("#")
        return f"[{match[0]}]({'' if file == here else file}#{anchor})"

    lines, in_block = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            in_block = not in_block
        elif not in_block and not line.startswith(("#", "<!--")):
            line = re.sub(r"(?<!\[)`([\w.]+(?:\(\))?)`", link, line)
        lines.append(line)
    return "\n".join(lines) + "\n"
