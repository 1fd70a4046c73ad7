"""The text of a file for Textual's TextArea, byte for byte: Textual's own would even out and add line ends."""

from __future__ import annotations

from textual.document._document import Document, EditResult, Location


class FileDocument(Document):
    """Lines end at newlines and nowhere else; a file that mixes line ends keeps each carriage return in its line."""

    def __init__(self, text: str) -> None:
        windows = text.count("\r\n")
        self._newline = "\r\n" if windows and windows == text.count("\n") else "\n"
        self._lines = text.split(self._newline)
        self._text: str | None = text

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
        return EditResult((top_row + len(new) - 1, column), replaced)

    def index_of(self, location: Location) -> int:
        """How many characters of the text stand before a location."""
        row, column = location
        return sum(map(len, self._lines[:row])) + row * len(self._newline) + column

    def location_of(self, index: int) -> Location:
        """The location before which so many characters of the text stand."""
        for row, line in enumerate(self._lines):
            if index <= len(line):
                return row, index
            index -= len(line) + len(self._newline)
        return self.end
