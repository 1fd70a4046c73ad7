"""The text of a file for Textual's TextArea, byte for byte: Textual's own would even out and add line ends."""

from __future__ import annotations

from textual.document._document import Document, EditResult, Location
from textual.document._wrapped_document import WrappedDocument

from workbench.screens.experiments.editing.scan import Open, Path, Token, parts_of, scan_line


class FileDocument(Document):
    """Lines end at newlines and nowhere else; a file that mixes line ends keeps each carriage return in its line."""

    def __init__(self, text: str) -> None:
        windows = text.count("\r\n")
        self._newline = "\r\n" if windows and windows == text.count("\n") else "\n"
        self._lines = text.split(self._newline)
        self._text: str | None = text
        self._opens = [Open()]  # what is open at the start of each line, as far as it was asked for

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self._newline.join(self._lines)
        return self._text

    def replace_range(self, start: Location, end: Location, text: str) -> EditResult:
        """Replace what stands from `start` to `end`."""
        (top_row, top_column), (bottom_row, bottom_column) = sorted((start, end))
        lines = self._lines
        replaced = self.get_text_range(start, end)
        if self._newline == "\r\n":
            text = text.replace("\r\n", "\n")
        new = text.split("\n")
        new[0] = lines[top_row][:top_column] + new[0]
        column = len(new[-1])
        new[-1] += lines[bottom_row][bottom_column:]
        lines[top_row : bottom_row + 1] = new
        self._text = None
        del self._opens[top_row + 1 :]
        return EditResult((top_row + len(new) - 1, column), replaced)

    def loosen(self) -> None:
        """Let lines end as each does: the text stays, and may take in one with other line ends."""
        if self._newline == "\r\n":
            text = self.text
            self._newline, self._lines = "\n", text.split("\n")
            del self._opens[1:]

    def tokens(self, row: int) -> tuple[Token, ...]:
        """What the line is made of."""
        while len(self._opens) <= row:
            here = len(self._opens) - 1
            self._opens.append(scan_line(self._lines[here], self._opens[here])[1])
        return scan_line(self._lines[row], self._opens[row])[0]

    def open_at(self, row: int) -> Open:
        """What is open where a line starts."""
        self.tokens(row)
        return self._opens[row]

    def header_row(self, row: int) -> int:
        """The line of the header that a line stands under, or is; -1 for those before the first."""
        while row >= 0 and not any(token.kind == "header" for token in self.tokens(row)):
            row -= 1
        return row

    def table_at(self, row: int) -> Path:
        """The path of the header that a line stands under."""
        row = self.header_row(row)
        if row < 0:
            return ()
        header = self.tokens(row)[0]
        return parts_of(self._lines[row][header.start : header.stop])

    def index_of(self, location: Location) -> int:
        """How many characters of the text stand before a location."""
        row, column = location
        return sum(map(len, self._lines[:row])) + row * len(self._newline) + column

    def location_of(self, index: int) -> Location:
        """The location before which so many characters of the text stand."""
        for row, line in enumerate(self._lines):
            if index <= len(line):
                return row, max(index, 0)  # between the two characters of a line's end: the next line's begin
            index -= len(line) + len(self._newline)
        return self.end


class Unwrapped(WrappedDocument):
    """A document whose lines are never wrapped. Textual counts all of them again for each one that it draws."""

    @property
    def height(self) -> int:
        return self.document.line_count
