"""Docstrings as Markdown: paragraphs, literal blocks, and their sections as lists."""

from __future__ import annotations

import re

SECTIONS = {"Args": "Arguments", "Raises": "Raises", "Returns": "Returns", "Yields": "Yields"}
"""The headings of sections, and what they are called on a page."""

_ENTRY = re.compile(r"((?:\*{0,2}[\w.]+)(?:, \*{0,2}[\w.]+)*): +(.*)", re.DOTALL)


def markdown(doc: str) -> str:
    """Return a docstring as Markdown."""
    parts = []
    for paragraph in _paragraphs(doc):
        heading, _, rest = paragraph.partition("\n")
        if heading.endswith(":") and heading[:-1] in SECTIONS:
            parts.append(f"{SECTIONS[heading[:-1]]}:")
            parts.append(_section(heading[:-1], rest))
        elif paragraph == "::":
            continue
        elif paragraph.startswith("    "):
            parts.append(f"```text\n{_dedented(paragraph)}\n```")
        elif paragraph.startswith("- "):
            parts.append("\n".join(f"- {code(item)}" for item in _items(paragraph)))
        else:
            parts.append(code(_joined(paragraph)))
    return "\n\n".join(parts)


def code(text: str) -> str:
    """Return text with the double backticks of docstrings as Markdown's single ones."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


def _paragraphs(doc: str) -> list[str]:
    """Split at empty lines; a section with empty lines in it stays one, and so does a block."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", doc.strip("\n")):
        indented = paragraph.startswith("    ")
        if found and indented and (found[-1].startswith("    ") or _is_section(found[-1])):
            found[-1] += f"\n\n{paragraph}"
        else:
            found.append(paragraph)
    return found


def _is_section(paragraph: str) -> bool:
    return paragraph.partition("\n")[0].removesuffix(":") in SECTIONS


def _section(name: str, text: str) -> str:
    entries: list[str] = []
    for line in _dedented(text).splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        elif name in ("Returns", "Yields") and entries:
            entries[-1] += f" {line}"
        elif line:
            entries.append(line)
    lines = []
    for entry in entries:
        match = None if name in ("Returns", "Yields") else _ENTRY.fullmatch(entry)
        if match is None:
            lines.append(f"- {code(entry)}")
        else:
            names = ", ".join(f"`{word}`" for word in match[1].split(", "))
            lines.append(f"- {names}: {code(match[2])}")
    return "\n".join(lines)


def _items(paragraph: str) -> list[str]:
    return [_joined(item) for item in re.split(r"^- ", paragraph, flags=re.MULTILINE)[1:]]


def _joined(text: str) -> str:
    return " ".join(text.split())


def _dedented(text: str) -> str:
    lines = text.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines)
