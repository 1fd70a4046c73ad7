"""Text that must never reach a terminal, or a markup parser, as it is."""

from __future__ import annotations

TERMINAL_ESCAPES = {
    "OSC 0 title": "\x1b]0;owned\x07",
    "OSC 8 link": "\x1b]8;;http://example.com\x1b\\click\x1b]8;;\x1b\\",
    "OSC 52 clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "OSC without end": "\x1b]52;c;cm0g",
    "DCS": "\x1bP+q544e\x1b\\",
    "APC": "\x1b_Gf=24;AAAA\x1b\\",
    "CSI report": "\x1b[6n",
    "CSI clear": "\x1b[2J\x1b[H",
    "RIS": "\x1bc",
    "C1 CSI": "\x9b6n",
    "C1 OSC": "\x9d52;c;cm0=\x9c",
    "C1 DCS": "\x90q\x9c",
    "C1 NEL": "a\x85b",
    "NUL": "a\x00b",
    "backspaces": "safe\x08\x08\x08\x08evil",
    "carriage return": "safe\revil",
    "bell": "\x07",
    "form feed": "\x0c\x0b",
    "DEL": "a\x7fb",
    "bidi override": "abc\u202egnp.exe",
    "bidi isolate": "\u2066x\u2069",
    "bidi mark": "a\u200fb\u061cc",
    "lone surrogate": "a\ud800b",
    "shift out": "\x0e\x0f",
}

MARKUP = [
    "[/]",
    "[/red]",
    "[/",
    '[a="x',
    "[bold]",
    "a[b=c]d",
    "[@click=app.quit]run-name[/]",
    "[link=http://example.com]x[/link]",
    "[[x]]",
    "\\[x]",
    "$primary",
    "[on red]x",
    "]",
]

HARMFUL = frozenset(
    [chr(code) for code in range(0x20) if chr(code) not in "\t\n"]
    + [chr(code) for code in range(0x7F, 0xA0)]
    + list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud800\udbff\udc00\udfff")
)
