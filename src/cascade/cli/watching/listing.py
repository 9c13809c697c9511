"""Listing: a widget with a heading and rows, of which one is chosen; and lines of plain text.

They draw characters as they are: nothing in a text is taken for markup.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.widget import Widget

from cascade.cli.watching.figures import fit
from cascade.cli.watching.panels import Panel, Row, heading, name_of
from cascade.cli.watching.picture import Picture

_HEADING, _LOUD, _CHOSEN = Style(bold=True), Style(color="red"), Style(reverse=True)
_MARGIN = 2
"""Cells before each row, for the mark of the chosen one."""


class Line(Widget):
    """One line of plain text, as wide as the screen."""

    DEFAULT_CSS = "Line { height: 1; }"

    def __init__(self, id: str, style: Style | None = None) -> None:
        super().__init__(id=id)
        self._style = style or Style()
        self._text = ""

    def show(self, text: str) -> None:
        """Show another text."""
        if text != self._text:
            self._text = text
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw it."""
        width = self.size.width
        text = self._text if y == 0 else ""
        return Strip([Segment(fit(text, width), self.rich_style + self._style)], width)


class Listing(Widget, can_focus=True):
    """Rows under a heading.

    Args:
        panel: what it shows.
    """

    DEFAULT_CSS = "Listing { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    def __init__(self, panel: Panel) -> None:
        super().__init__(id=panel.id)
        self._panel = panel
        self._picture: Picture | None = None
        self._made: tuple[int, list[Row]] | None = None
        self._chosen: str | None = None
        self._place = 0
        self._top = 0

    def show(self, picture: Picture | None) -> None:
        """Show another picture; what was chosen stays chosen, if it is there."""
        self._picture, self._made = picture, None
        self.refresh()

    @property
    def chosen(self) -> str | None:
        """What the chosen row is about; None if there are no rows."""
        self._settle()
        return None if self._chosen is None else name_of(self._chosen)

    @property
    def whole(self) -> str:
        """The text of the chosen row, however long."""
        self._settle()
        if self._picture is None or self._chosen is None:
            return ""
        rows = self._panel.rows(self._picture, 1000)
        return " ".join(rows[self._place].text.split()) if self._place < len(rows) else ""

    def action_move(self, steps: int) -> None:
        """Choose a row so many below."""
        rows = self._settle()
        if rows:
            self._place = min(len(rows) - 1, max(0, self._place + steps))
            self._chosen = rows[self._place].key
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose the row that was clicked at."""
        if event.y >= 1:
            self.action_move(self._top + event.y - 1 - self._place)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Choose a row below."""
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Choose a row above."""
        event.stop()
        self.action_move(-3)

    def render_line(self, y: int) -> Strip:
        """Draw the heading, or a row."""
        width, rows = self.size.width, self._settle()
        style = self.rich_style
        if y == 0:
            mark = "▸ " if self.has_focus else "  "
            text = mark + heading(self._panel, self._picture, max(0, width - _MARGIN))
            return Strip([Segment(fit(text, width), style + _HEADING)], width)
        place = self._top + y - 1
        if place >= len(rows):
            text = f"  {self._panel.nothing}" if y == 1 and self._picture is not None else ""
            return Strip([Segment(fit(text, width), style + Style(dim=True))], width)
        row = rows[place]
        is_chosen = place == self._place
        style += _LOUD if row.loud else Style()
        if is_chosen and self.has_focus:
            style += _CHOSEN
        mark = ("▸ " if self.has_focus else "· ") if is_chosen else "  "
        return Strip([Segment(fit(mark + row.text, width), style)], width)

    def _settle(self) -> list[Row]:
        """Return the rows for the width that there is, with the chosen one in sight."""
        room = max(0, self.size.width - _MARGIN - 1)
        if self._made is None or self._made[0] != room:
            rows = [] if self._picture is None else self._panel.rows(self._picture, room)
            self._made = room, rows
            keys = [row.key for row in rows]
            if self._chosen in keys:
                self._place = keys.index(self._chosen)
            else:
                self._place = max(0, min(self._place, len(rows) - 1))
                self._chosen = keys[self._place] if rows else None
        rows = self._made[1]
        height = max(1, self.size.height - 1)
        self._top = max(self._place - height + 1, min(self._top, self._place))
        self._top = max(0, min(self._top, len(rows) - height))
        return rows
