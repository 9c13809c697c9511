"""Dialogs: a line to type something into, and a question that is answered with yes or no."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

_CSS = """
{name} {{ align: center bottom; background: transparent; }}
{name} Vertical {{ height: auto; border: ascii; padding: 0 1; }}
{name} Input {{ border: none; height: 1; padding: 0; }}
"""


class LimitPrompt(ModalScreen[str | None]):
    """Asks for a limit; the answer is the line, or None if it was given up.

    Args:
        start: what stands in the line already.
    """

    CSS = _CSS.format(name="LimitPrompt")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", show=False)]

    def __init__(self, start: str) -> None:
        super().__init__()
        self._start = start

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(
                Text(
                    "Limit: slot=5, slot=none, task:fetch*=3 or global=10; "
                    '"slot=5 for 10m" goes back by itself.  Enter sets it, Esc leaves.'
                )
            )
            yield Input(self._start, select_on_focus=False, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        event.stop()
        self.dismiss(event.value.strip() or None)


class Confirmation(ModalScreen[bool]):
    """Asks whether something shall be done.

    Args:
        question: what is asked.
    """

    CSS = _CSS.format(name="Confirmation")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", show=False),
        Binding("n,escape,q", "dismiss(False)", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical():
            yield Static(Text(f"{self._question}  y: yes, n: no"))
