"""What a run wrote while it trained, as a film: step by step, played, or followed as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from craft.runs.events import take_sample
from craft.runs.jsonl import LineReader, Record
from craft.text import clean, clean_line, shorten
from workbench.actions import bindings_of
from workbench.screens.runs.details.film import Frame, changed_pieces, frames_of
from workbench.screens.runs.details.tab import DetailTab

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_FRAME_SECONDS = 0.5
_MOST_REFUSED = 4  # prompts of which it is said why nothing was written
_QUIET = "$foreground 55%"


class Reel(Widget):
    """The frames as a line of dots, the one that is seen marked. A click goes to one."""

    COMPONENT_CLASSES = {"reel--frame", "reel--here", "reel--words"}

    class Chosen(Message):
        """A frame was chosen with the mouse."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        self._shown = (0, 0, "")

    def show(self, at: int, count: int, words: str) -> None:
        """The frame `at` of `count`; `words` stand behind them."""
        if (at, count, words) != self._shown:
            self._shown = at, count, words
            self.refresh()

    @property
    def _room(self) -> int:
        return max(min(self._shown[1], self.size.width - len(self._shown[2]) - 3), 1)

    def render_line(self, y: int) -> Strip:
        at, count, words = self._shown
        width, base = self.size.width, self.rich_style
        if y or not count:
            return Strip.blank(width, base)
        room = self._room
        here = at * (room - 1) // max(count - 1, 1)
        dot, mark = (".", "#") if self.ascii_only else ("\u2500", "\u25cf")
        frame, seen = (self.get_component_rich_style(f"reel--{name}") for name in ("frame", "here"))
        said = Segment(f"  {words}", self.get_component_rich_style("reel--words"))
        line = [Segment(dot * here, seen), Segment(mark, seen), Segment(dot * (room - here - 1), frame), said]
        return Strip(line).adjust_cell_length(width, base)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        count, room = self._shown[1], self._room
        if offset is not None and offset.x < room and count:
            self.post_message(self.Chosen(round(offset.x * (count - 1) / max(room - 1, 1))))


def _refusal(event: Record) -> str:
    """What an event says of a prompt from which nothing is written; empty for all others."""
    text = event.get("text")
    is_one = event.get("kind") == "warning" and isinstance(text, str) and text.startswith("no text is sampled")
    return str(text) if is_one else ""


class FilmText(VerticalScroll):
    """The text of a frame; a long one is scrolled."""

    BINDINGS = bindings_of("run film")

    @property
    def _film(self) -> SamplesTab:
        tab = next(node for node in self.ancestors if isinstance(node, SamplesTab))
        assert isinstance(tab, SamplesTab)
        return tab

    def action_earlier(self) -> None:
        self._film.go(self._film.at - 1)

    def action_later(self) -> None:
        self._film.go(self._film.at + 1)

    def action_oldest(self) -> None:
        self._film.go(0)

    def action_newest(self) -> None:
        self._film.go(len(self._film.frames) - 1)

    def action_play(self) -> None:
        self._film.play()

    def action_next_prompt(self) -> None:
        self._film.another_prompt(1)

    def action_previous_prompt(self) -> None:
        self._film.another_prompt(-1)

    def action_differences(self) -> None:
        self._film.mark_changes()

    def action_copy(self) -> None:
        self._film.copy()

    def action_scroll_text(self, by: int) -> None:
        self.scroll_relative(y=by * max(self.size.height // 2, 1), animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        film = self._film
        if action in ("next_prompt", "previous_prompt"):
            return len(film.films) > 1
        if action in ("earlier", "later", "play", "oldest", "newest"):
            return len(film.frames) > 1
        return bool(film.frames) if action in ("differences", "copy") else True


class SamplesTab(DetailTab):
    """`samples.jsonl` of the run."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self.films: dict[str, list[Frame]] = {}
        self.prompt = ""
        self.at = 0
        self.follows = True
        self.marks_changes = True
        self._reader: LineReader | None = None
        self._events: LineReader | None = None
        self._samples: list[Record] = []
        self._refused: dict[str, None] = {}
        """Why no text is written from some prompts, as the run said."""
        self._stepless = 0
        self._playing: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(Content(""), classes="tab-head")
        yield Reel(ascii_only=self.ascii_only)
        with FilmText(id="film"):
            yield Static(Content(""), id="frame")

    def on_mount(self) -> None:
        self.marks_changes = self.app.session.get("runs.samples.changes", True)

    def on_resize(self) -> None:
        if self.frames:
            self._draw()

    # --- reading ---

    def begin(self) -> None:
        assert self.run is not None
        self._stop()
        self._reader, self._samples, self._stepless = LineReader(self.run.folder.samples), [], 0
        self._events, self._refused = LineReader(self.run.folder.events), {}
        self.films, self.at, self.follows = {}, 0, True
        self.query_one("#frame", Static).update(Content("reading ..."))

    def what_to_read(self) -> Any:
        return self._reader, None if self.films else self._events

    def read(self, run: RunSummary, wanted: Any) -> Any:
        reader, events = wanted
        restarts = reader.restarts
        new = reader.poll()
        refused = [why for event in events.poll() if (why := _refusal(event))] if events else []
        return reader, new, reader.restarts != restarts, refused

    def take(self, found: Any) -> None:
        reader, new, another, refused = found
        if reader is not self._reader:
            return
        if another:
            self._samples, self._stepless = [], 0
        self._refused |= dict.fromkeys(refused)
        for sample in new:
            self._stepless += not take_sample(self._samples, sample)
        if new or another or not self.films:
            self.films = frames_of(self._samples)
            if self.prompt not in self.films:
                self.prompt = next(iter(self.films), "")
            self.at = len(self.frames) - 1 if self.follows else min(self.at, len(self.frames) - 1)
            self._draw()

    # --- the film ---

    @property
    def frames(self) -> list[Frame]:
        """Of the prompt that is seen."""
        return self.films.get(self.prompt, [])

    def go(self, at: int) -> None:
        """To a frame; the newest is followed."""
        at = max(0, min(at, len(self.frames) - 1))
        self.follows = at == len(self.frames) - 1
        if at != self.at:
            self.at = at
            self._draw()

    def play(self) -> None:
        """A frame every half second, from the first again when the last is seen; or stop."""
        if self._playing is not None:
            self._stop()
            self._draw()
            return
        if self.at >= len(self.frames) - 1:
            self.go(0)
        self._playing = self.set_interval(_FRAME_SECONDS, self._next_frame)
        self._draw()

    def _next_frame(self) -> None:
        if not self.display or self.at >= len(self.frames) - 1:
            self._stop()
            self._draw()
        else:
            self.go(self.at + 1)

    def _stop(self) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None

    def another_prompt(self, by: int) -> None:
        """The next prompt, at the same step where it has that."""
        prompts = list(self.films)
        step = self.frames[self.at].step if self.frames else 0
        self.prompt = prompts[(prompts.index(self.prompt) + by) % len(prompts)]
        nearest = min(range(len(self.frames)), key=lambda at: abs(self.frames[at].step - step))
        self.at = len(self.frames) - 1 if self.follows else nearest
        self._draw()

    def mark_changes(self) -> None:
        """Mark what changed, or not."""
        self.marks_changes = not self.marks_changes
        self.app.session.set("runs.samples.changes", self.marks_changes)
        self._draw()

    def copy(self) -> None:
        """The text that is seen, with its prompt."""
        if self.frames:
            frame = self.frames[self.at]
            self.app.copy(self.prompt + frame.text, f"the text of step {frame.step:,}")

    def on_reel_chosen(self, message: Reel.Chosen) -> None:
        message.stop()
        self.go(message.at)

    # --- drawing ---

    def _draw(self) -> None:
        frames = self.frames
        self.set_class(not frames, "-none")
        self.query_one(".tab-head", Static).update(self._head())
        self.query_one("#frame", Static).update(self._frame() if frames else self._how_to_sample())
        if frames:
            frame = frames[self.at]
            words = f"step {frame.step:,}  {self.at + 1} of {len(frames)}  "
            words += "playing" if self._playing else "following" if self.follows and self.run_is_live else ""
            self.query_one(Reel).show(self.at, len(frames), words.rstrip())
        self.refresh_bindings()

    @property
    def run_is_live(self) -> bool:
        """Whether there may come more."""
        return self.run is not None and self.run.observed.is_live

    def _head(self) -> Content:
        if not self.frames:
            return Content("")
        prompts = list(self.films)
        prompt = shorten(self.prompt, max(self.size.width // 2, 12), ascii_only=self.ascii_only) or "(none)"
        place = f"prompt {prompts.index(self.prompt) + 1} of {len(prompts)}  " if len(prompts) > 1 else "prompt  "
        settings = shorten(self.frames[self.at].settings, max(self.size.width // 2, 12), ascii_only=self.ascii_only)
        bad = (self._reader.damaged if self._reader else 0) + self._stepless
        lost: tuple[str, str] = (f"  {bad:,} damaged lines left out", "$text-warning") if bad else ("", "")
        return Content.assemble((place, _QUIET), (prompt, "bold"), (f"  {settings}", _QUIET), lost)

    def _frame(self) -> Content:
        frame = self.frames[self.at]
        prompt = clean(self.prompt, ascii_only=self.ascii_only)
        parts: list[tuple[str, str] | str] = [(prompt, f"bold {_QUIET}")]
        if self.marks_changes and self.at:
            pieces = changed_pieces(self.frames[self.at - 1].text, frame.text)
            parts += [(clean(text, ascii_only=self.ascii_only), "underline" if new else "") for text, new in pieces]
        else:
            parts.append(clean(frame.text, ascii_only=self.ascii_only))
        return Content.assemble(*parts)

    def _how_to_sample(self) -> Content:
        assert self.run is not None
        lines = [Content.styled("No text was sampled from this run yet.", "bold"), Content("")]
        if self._stepless:
            lines.insert(
                1, Content.styled(f"{self._stepless:,} records of samples.jsonl say no step.", "$text-warning")
            )
        if self._refused:
            said = [clean_line(why, ascii_only=self.ascii_only) for why in list(self._refused)[:_MOST_REFUSED]]
            lines += [*(Content.styled(why, "$text-warning") for why in said), Content("")]
            lines.append(Content("Its prompts need letters that its vocabulary has; they stand under sample_text or"))
            lines.append(Content("[generation] of the experiment, and other ones take effect with the next run."))
        elif self.run_is_live:
            lines.append(Content("i, in the list of runs, asks it to write some now."))
        lines += [
            Content("p, in the list of runs, lets any of its checkpoints write in the playground."),
        ]
        if self._refused:
            return Content("\n").join(lines)
        lines += [
            Content("To have it write while it trains, put this into the experiment, or under [defaults]:"),
            Content(""),
            Content.styled("  [experiment.NAME.callbacks]", "bold $text-accent"),
            Content.styled("  sample_text = { every = 100 }", "bold $text-accent"),
        ]
        return Content("\n").join(lines)
