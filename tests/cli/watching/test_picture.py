"""The picture in the docs is what the app shows, and tells nothing of where it was made."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from docs.make_watch_picture import FILE, NAME, picture


def texts(drawing: str) -> list[str]:
    """Return what is written in a drawing."""
    found = (element.text or "" for element in ElementTree.fromstring(drawing).iter())
    return [" ".join(text.split()) for text in found if text.strip() and "{" not in text]


def test_it_is_up_to_date() -> None:
    kept = FILE.read_text(encoding="utf-8")
    assert texts(kept) == texts(picture()), "make it anew: python -m docs.make_watch_picture"
    shown = " ".join(texts(kept))
    for part in (NAME, "crawl/fetch waits for", "limit=5", "9m30s left", "ConnectionError"):
        assert part in shown


def test_it_names_no_place_and_fetches_nothing() -> None:
    kept = FILE.read_text(encoding="utf-8")
    assert (
        re.search(r"/(?:home|root|tmp|usr|var|work|Users)\b|file:|@import|font-face", kept) is None
    )
    links = set(re.findall(r"https?://[^\s\"]+", kept))
    assert links <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
