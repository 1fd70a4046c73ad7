"""Craft's own colours: one theme for dark terminals, one for light ones; and those of the terminal."""

from __future__ import annotations

from textual.theme import Theme

THEMES = (
    Theme(
        name="craft-dark",
        primary="#62b6cb",
        secondary="#e3b566",
        accent="#62b6cb",
        success="#86c28b",
        warning="#e3b566",
        error="#e57373",
        foreground="#cdd6dc",
        background="#0f1418",
        surface="#141b20",
        panel="#1c252c",
        dark=True,
    ),
    Theme(
        name="craft-light",
        primary="#0b6e87",
        secondary="#a35c00",
        accent="#0b6e87",
        success="#2b7a35",
        warning="#a35c00",
        error="#b3261e",
        foreground="#27323a",
        background="#fbfbf8",
        surface="#f3f3ee",
        panel="#e7e8e2",
        dark=False,
    ),
)

OFFERED = {
    "craft-dark": "colours for a dark room",
    "craft-light": "colours for a light one",
    "ansi-dark": "the terminal's own colours",
}
"""What is looked after. In Textual's other themes some words can hardly be read."""
