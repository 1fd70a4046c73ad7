"""One run in full: what it is, what happened, what it printed, and its definition."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from craft.analysis.numbers import format_age, format_count, format_duration, format_loss, format_number
from craft.errors import CraftError
from craft.runs.events import read_events
from craft.runs.folder import read_identity
from craft.text import clean, clean_line
from workbench.actions import bindings_of
from workbench.screens.runs.rows import QUIET, TONES, number, phase_text, phase_word
from workbench.watch import tail_of
from workbench.widgets.bars import KeyBar, TitleBar

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.app import Workbench

_EVENTS = 20
_LOG_BYTES, _LOG_LINES = 32_768, 40
_DEFINITION_BYTES = 65_536


class DetailsScreen(Screen[None]):
    """Read once when opened; the files may be of any size and hold anything."""

    app: Workbench
    BINDINGS = bindings_of("text")

    def __init__(self, run: RunSummary) -> None:
        super().__init__()
        self._run = run

    def compose(self) -> ComposeResult:
        yield TitleBar("runs", id="title")
        with VerticalScroll(id="details"):
            yield Static(id="text")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        phase = phase_text(self._run, self.app.ascii_only)
        self.query_one(TitleBar).show(
            clean_line(self._run.name), [(f"{phase} ", f"title--{TONES.get(phase_word(self._run), 'warn')}")]
        )
        self.query_one(VerticalScroll).focus()
        self._read()

    @work(thread=True, group="details", exit_on_error=False)
    def _read(self) -> None:
        text = Content("\n").join([*_facts(self._run), *_events(self._run), *_log(self._run), *_definition(self._run)])
        self.app.call_from_thread(self.query_one("#text", Static).update, text)

    def action_back(self) -> None:
        self.dismiss()

    def action_scroll_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down()

    def action_scroll_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up()

    def action_page_down(self) -> None:
        self.query_one(VerticalScroll).scroll_page_down()

    def action_page_up(self) -> None:
        self.query_one(VerticalScroll).scroll_page_up()

    def action_scroll_home(self) -> None:
        self.query_one(VerticalScroll).scroll_home()

    def action_scroll_end(self) -> None:
        self.query_one(VerticalScroll).scroll_end()


def _heading(text: str) -> list[Content]:
    return [Content(""), Content.styled(text, "bold $text-accent")]


def _fact(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<12}", QUIET), clean_line(value))


def _facts(run: RunSummary) -> list[Content]:
    status = run.status
    lines = [_fact("phase", f"{run.phase}: {run.reason}" if run.reason != run.phase else run.phase)]
    steps = f"{format_count(number(status.step))} of {format_count(number(status.max_steps))}"
    lines.append(_fact("steps", f"{steps}, {format_count(number(status.tokens))} tokens"))
    lines.append(
        _fact(
            "loss",
            f"train {format_loss(number(status.train_loss))}, val {format_loss(number(status.val_loss))}, "
            f"best {format_loss(number(status.best))} at step {format_count(number(status.best_step))}",
        )
    )
    if run.observed.is_live:
        lines.append(_fact("time left", format_duration(number(status.eta_seconds))))
    try:
        identity = read_identity(run.folder)
    except CraftError as error:
        return [*lines, Content.styled(clean(str(error)), "$text-error")]
    created = number(identity.created)
    if created:
        when = datetime.fromtimestamp(created).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(_fact("created", f"{when} ({format_age(time.time() - created)} ago)"))
    chosen = dict(_items(identity.chosen))
    reasons = chosen.pop("reasons", None)
    reasons = reasons if isinstance(reasons, list) else []
    facts: list[tuple[str, Any]] = [
        ("experiment", identity.experiment),
        ("group", identity.group),
        ("axes", _assignments(identity.axes)),
        ("seed", identity.seed),
        ("from", identity.source),
        ("parent", f"{identity.parent_run} at step {identity.parent_step}" if identity.parent_run else None),
        ("chosen", _assignments(chosen)),
        *(("", reason) for reason in reasons),
        ("versions", ", ".join(f"{name} {value}" for name, value in _items(identity.versions))),
        ("commit", identity.git_commit),
        ("folder", run.folder.path),
    ]
    return lines + [_fact(name, str(value)) for name, value in facts if value not in (None, "")]


def _assignments(value: Any) -> str:
    return ", ".join(f"{name} = {_plain(inner)}" for name, inner in _items(value))


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _events(run: RunSummary) -> list[Content]:
    events = read_events(run.folder)
    if not events:
        return []
    shown = events[-_EVENTS:]
    title = "events" if len(shown) == len(events) else f"the last {len(shown)} of {len(events)} events"
    lines = _heading(title)
    for event in shown:
        moment = number(event.get("time"))
        when = datetime.fromtimestamp(moment).strftime("%H:%M:%S") if moment and moment < 4e9 else " " * 8
        rest = {name: value for name, value in event.items() if name not in ("time", "kind")}
        words = "  ".join(f"{name} {_plain(value)}" for name, value in rest.items())
        lines.append(
            Content.assemble(
                (when, QUIET), "  ", (f"{clean_line(str(event.get('kind'))):<12}", "bold"), clean_line(words)
            )
        )
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return format_number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _log(run: RunSummary) -> list[Content]:
    lines = tail_of(run.folder.log, _LOG_BYTES).splitlines()
    if not lines:
        return []
    shown = [Content(clean_line(line.expandtabs(4))) for line in lines[-_LOG_LINES:]]
    return [*_heading("the end of its log"), *shown]


def _definition(run: RunSummary) -> list[Content]:
    try:
        with run.folder.definition.open("rb") as file:
            text = file.read(_DEFINITION_BYTES).decode(errors="replace")
    except OSError:
        return []
    return [*_heading("definition"), *(Content(clean_line(line.expandtabs(4))) for line in text.splitlines())]
