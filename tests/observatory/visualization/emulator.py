"""A terminal as far as the view needs one, to see what bytes make of a screen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SEQUENCE = re.compile(r"\x1b\[(\?)?([\d;]*)([A-Za-z])|(.)", re.DOTALL)
DEFAULT = "default"


@dataclass
class Cell:
    """A character with its colours, as the parameters that selected them."""

    letter: str = " "
    ink: str = DEFAULT
    paper: str = DEFAULT

    @property
    def halves(self) -> tuple[str, str]:
        """The colours of the upper and of the lower half."""
        ink, paper = self.ink, self.paper
        return {" ": (paper, paper), "█": (ink, ink), "▀": (ink, paper), "▄": (paper, ink)}[
            self.letter
        ]


@dataclass
class Terminal:
    """A screen without wrapping: at the right edge the cursor stays where it is."""

    columns: int
    rows: int
    written: int = 0
    """How many characters were written altogether."""
    selected: int = 0
    """How many times colours were selected."""
    wraps: bool = True
    """Whether text goes on in the next row at the right edge, as it does at first."""
    cursor: bool = True
    """Whether the cursor is seen."""
    aside: bool = False
    """Whether the other screen is shown, which programs that fill the window use."""
    _cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    _ink: str = DEFAULT
    _paper: str = DEFAULT
    _row: int = 0
    _column: int = 0

    def feed(self, data: bytes) -> None:
        """Obey bytes; what isn't known is an error."""
        for private, parameters, final, letter in SEQUENCE.findall(data.decode()):
            if letter:
                self._put(letter)
            elif private:
                self._switch(parameters, final)
            else:
                self._obey(parameters, final)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size; what is outside of it is lost, the rest stays."""
        self.columns, self.rows = columns, rows
        self._cells = {
            (row, column): cell
            for (row, column), cell in self._cells.items()
            if row < rows and column < columns
        }

    def cell(self, row: int, column: int) -> Cell:
        """Return what is shown at a place."""
        return self._cells.get((row, column), Cell())

    def text(self, row: int) -> str:
        """Return the characters of a row."""
        return "".join(self.cell(row, column).letter for column in range(self.columns))

    def _put(self, letter: str) -> None:
        assert letter.isprintable(), f"a control character was written: {letter!r}"
        assert self._column < self.columns, "written beyond the right edge"
        assert self._row < self.rows, "written below the screen"
        self._cells[self._row, self._column] = Cell(letter, self._ink, self._paper)
        self.written += 1
        self._column += 1

    def _switch(self, parameters: str, final: str) -> None:
        on = {"h": True, "l": False}[final]
        if parameters == "7":
            self.wraps = on
        elif parameters == "25":
            self.cursor = on
        else:
            assert parameters == "1049", f"an unknown mode: {parameters}"
            if on:
                self._cells.clear()
            self.aside = on

    def _obey(self, parameters: str, final: str) -> None:
        numbers = [int(number or 0) for number in parameters.split(";")]
        if final == "H":
            row, column = numbers
            assert 1 <= row <= self.rows
            assert 1 <= column <= self.columns
            self._row, self._column = row - 1, column - 1
        elif final == "C":
            self._column = min(self._column + (numbers[0] or 1), self.columns - 1)
        elif final == "J":
            assert numbers == [2]
            self._cells.clear()
        else:
            assert final == "m", f"an unknown sequence: {final}"
            self.selected += 1
            self._select(numbers)

    def _select(self, numbers: list[int]) -> None:
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                self._ink = self._paper = DEFAULT
            elif number in (38, 48):
                length = {2: 4, 5: 2}[numbers[0]]
                colour = ";".join(map(str, numbers[1:length]))
                del numbers[:length]
                if number == 38:
                    self._ink = colour
                else:
                    self._paper = colour
            elif 30 <= number <= 37 or 90 <= number <= 97:
                self._ink = str(number - 30 if number < 90 else number - 82)
            elif 40 <= number <= 47 or 100 <= number <= 107:
                self._paper = str(number - 40 if number < 100 else number - 92)
            else:
                raise AssertionError(f"an unknown colour: {number}")
