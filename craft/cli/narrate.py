"""One run told to a person: a lasting line for what matters, a moving one for the rest, a plot, and how it ended."""

from __future__ import annotations

import time
from typing import Any

from craft.analysis.numbers import format_count, format_duration, format_loss, format_number, format_rate
from craft.cli import LAZY
from craft.cli.common import runs_dir_of, shown_path
from craft.cli.progress_line import Progress, progress_line
from craft.cli.terminal import Screen
from craft.launch.follow import Follower, News
from craft.launch.workers import log_tail
from craft.runs.checkpoints import list_checkpoints
from craft.runs.folder import RunFolder
from craft.text import clean, clean_line, shorten

_PLAIN_EVERY = 10.0  # seconds between progress lines where nothing can move
_PLOT_HEIGHT = 16
_COLOR_OF = {"finished": "green", "stopped": "yellow", "failed": "red", "interrupted": "red"}


def name_to_type(folder: RunFolder) -> str:
    """What a person types to mean this run: its name where that is enough, else its path."""
    return folder.name if folder.path.parent == runs_dir_of(None) else shown_path(folder.path)


class Narrator:
    """Tells one run on a screen. `named`: begin each line with the run's name, as several are told at once."""

    def __init__(self, screen: Screen, follower: Follower, *, named: bool = False) -> None:
        self.screen, self.follower = screen, follower
        self.folder = follower.folder
        self.news: News | None = None
        self._prefix = f"{self.folder.name}: " if named else ""
        self._waiting: dict[str, Any] | None = None  # an evaluation whose checkpoint may come with the next look
        self._plain_due = time.monotonic() + _PLAIN_EVERY / 5
        self._said = ""

    # While it runs -----------------------------------------------------------------------------------------------

    def tell(self, news: News, *, say_why_queued: bool = True) -> None:
        """Write the lasting lines of what is new."""
        self.news = news
        held, self._waiting = self._waiting, None
        for event in news.events:
            if held is not None and not (event["kind"] == "checkpoint" and event.get("step") == held.get("step")):
                self._measured(held, saved=False)
                held = None
            match event["kind"]:
                case "evaluated":
                    held = event
                case "checkpoint":
                    self._measured(held or event, saved=True)
                    held = None
                case "initialised":
                    for line in str(event.get("text", "")).splitlines():
                        self._line(clean(line))
                case "resumed":
                    self._line(f"goes on from step {event.get('step')}")
                case "warning":
                    self._line(f"warning: {clean(str(event.get('text', '')))}", "yellow")
                case "changed" if "text" in event:
                    self._line(clean(str(event["text"])), "yellow")
                case "paused":
                    saved = "saved" if event.get("saved") else "not saved"
                    self._line(f"paused at step {event.get('step')}, {saved}; 'craft continue' lets it go on", "yellow")
                case "continued":
                    self._line(f"goes on from step {event.get('step')}")
                case "refused":
                    asked = f"a request to {event['asked']}" if event.get("asked") else "a request"
                    self._line(f"{asked} was refused: {clean_line(str(event.get('reason', '')))}", "yellow")
        if held is not None and held in news.events and not news.has_ended:
            self._waiting = held
        elif held is not None:
            self._measured(held, saved=False)
        if not self.screen.live and (say_why_queued or news.phase != "queued"):
            self._tell_plainly(news)
        elif say_why_queued and news.phase == "queued" and "'craft queue" in news.observed.reason:
            self._say_why(news)  # a person has to do something, and a line that moves would cut off what

    def moving_line(self) -> str:
        """The line that says where it stands, for the screen's width."""
        width, several = self.screen.width, bool(self._prefix)
        return progress_line(self._progress(), width, unicode=self.screen.unicode, one_of_many=several)

    def standing(self) -> str:
        """Where it stands, as a line that stays."""
        width = self.screen.width if self.screen.live else 200
        return progress_line(self._progress(), width, unicode=False, one_of_many=True)

    def plot(self, height: int = _PLOT_HEIGHT) -> str:
        """Train and validation loss over the steps, as text."""
        from craft.analysis.plots import Series, plot_text

        series = []
        for name, metric in (("train loss", "train/loss"), ("val loss", "val/loss")):
            steps, values = self.follower.metrics.series(metric)
            if steps:
                series.append(Series(name, steps, values))
        return plot_text(
            series,
            width=self.screen.width,
            height=max(6, min(height, self.screen.height - 6)),
            x_label="step",
            color=self.screen.color,
            braille=self.screen.unicode,
        )

    def _progress(self) -> Progress:
        news, metrics = self.news, self.follower.metrics
        if news is None:
            return Progress(self.folder.name, "starting")
        status, phase = news.observed.status, news.phase
        at_work = phase not in ("queued", "starting", "preparing")
        step = max(status.step, int(metrics.records[-1]["step"]) if metrics.records else 0)
        reason = news.observed.reason if phase in ("queued", "silent") else status.message or ""
        still = phase == "paused"  # a line of its own has said what that means
        return Progress(
            self.folder.name,
            phase,
            step=step if at_work else None,
            max_steps=status.max_steps if at_work else None,
            loss=metrics.last("train/loss") if at_work else None,
            val_loss=metrics.last("val/loss") if at_work else None,
            tokens_per_second=metrics.last("train/tokens_per_second") if at_work and not still else None,
            eta=status.eta_seconds if at_work else None,
            elapsed=self.follower.trained_seconds(phase) if at_work else None,
            message="" if still else clean_line(reason),
        )

    def _measured(self, event: dict[str, Any], *, saved: bool) -> None:
        """An evaluation, a checkpoint, or both of one step."""
        step = event.get("step")
        figures = {}
        for metric, words in (("val/loss", "val loss"), ("val/perplexity", "perplexity")):
            value = event.get(metric)
            if isinstance(value, int | float):
                figures[metric] = f"{words} {format_loss(value)}"
        bits = event.get("val/bits_per_byte")
        if isinstance(bits, int | float):
            figures["val/bits_per_byte"] = f"{format_number(bits)} bits/byte"
        marks = [word for word, holds in (("best so far", event.get("best")), ("saved", saved)) if holds]
        for least in ("", "val/perplexity", "val/bits_per_byte"):
            figures.pop(least, None)
            line = "  ".join([f"step {step!s:>5}", *figures.values(), ", ".join(marks)]).rstrip()
            if not self.screen.live or len(self._prefix) + len(line) <= self.screen.width:
                break
        self._line(clean_line(line))

    def _tell_plainly(self, news: News) -> None:
        """Without a line that moves: a progress line now and then, and at once what it waits for."""
        now = time.monotonic()
        if news.phase in ("queued", "silent") and news.observed.reason != self._said:
            self._say_why(news)
        elif news.phase not in ("queued", "starting", "paused") and not news.has_ended and now >= self._plain_due:
            self._plain_due = now + _PLAIN_EVERY
            self.screen.line(self.standing())

    def _say_why(self, news: News) -> None:
        """What it waits for, or that it is silent, as a line that stays; once for each reason."""
        if news.observed.reason != self._said:
            self._said = news.observed.reason
            self._line(f"{news.phase}: {clean_line(self._said)}")

    def _line(self, text: str, *styles: str) -> None:
        self.screen.line(f"{self._prefix}{text}", *styles)

    # How it ended ------------------------------------------------------------------------------------------------

    def tell_end(self, *, plot: bool = True) -> None:
        """The outcome, a plot, the last figures, where everything lies and what to do next."""
        news = self.news
        assert news is not None, "nothing was looked at yet"
        phase, status, metrics = news.phase, news.observed.status, self.follower.metrics
        screen, name = self.screen, self.folder.name
        seconds = self.follower.trained_seconds(phase)
        done = (
            f"{status.step} of {status.max_steps} steps" if status.step < status.max_steps else f"{status.step} steps"
        )
        trained = f", {done} in {format_duration(seconds)}" if seconds is not None else ""
        screen.line(f"{screen.paint(name, 'bold')} {screen.paint(phase, _COLOR_OF.get(phase, 'bold'))}{trained}")
        if phase == "failed":
            screen.line(clean(status.error or "it left no reason"), "red")
        elif phase == "interrupted":
            screen.line(clean(news.observed.reason))
            if said := log_tail(self.folder, 5):
                screen.line(clean(said), "dim")
        elif status.message:
            screen.line(clean(status.message))
        if plot and len(metrics.records) > 1:
            screen.line(self.plot())
        for label, text in [*self._figures(), *self._next(phase)]:
            screen.line(f"  {label:<11}{text}")

    def tell_short_end(self) -> None:
        """The outcome in one line, where other runs are still to come."""
        news = self.news
        assert news is not None, "nothing was looked at yet"
        phase, loss = news.phase, self.follower.metrics.last("val/loss")
        why = ""
        if phase in ("failed", "interrupted"):
            why = f": {clean_line(news.observed.status.error or news.observed.reason)}"
        figures = f"  val loss {format_loss(loss)}" if loss is not None else ""
        self.screen.line(f"{self.folder.name} {self.screen.paint(phase, _COLOR_OF.get(phase, 'bold'))}{why}{figures}")

    def _figures(self) -> list[tuple[str, str]]:
        metrics = self.follower.metrics
        assert self.news is not None
        status = self.news.observed.status
        rows = []
        if metrics.last("train/loss") is not None:
            rows.append(("train loss", format_loss(metrics.last("train/loss"))))
        if metrics.last("val/loss") is not None:
            best = f", best {format_loss(status.best)}" if status.best is not None else ""
            at = f" at step {status.best_step}" if best and status.best_step is not None else ""
            rows.append(("val loss", f"{format_loss(metrics.last('val/loss'))}{best}{at}"))
        if status.tokens:
            speed = format_rate(metrics.last("train/tokens_per_second"), "tok/s")
            rows.append(("tokens", f"{format_count(status.tokens)}, {speed}"))
        return rows

    def _next(self, phase: str) -> list[tuple[str, str]]:
        run, status = name_to_type(self.folder), self.news.observed.status if self.news else None
        rows = [("run", shown_path(self.folder.path))]
        saved = bool(list_checkpoints(self.folder))
        commands = []
        if phase == "failed":
            commands.append(f"craft logs {run}")
        if saved and "generate" in LAZY:
            commands.append(f"craft generate {run}")
        if phase in ("stopped", "interrupted", "failed"):
            commands.append(f"craft resume {run}")
        elif phase == "finished" and saved and status is not None and status.step:
            commands.append(f"craft resume {run} training.max_steps={2 * status.step}")
        rows += [("next" if n == 0 else "", command) for n, command in enumerate(commands)]
        return [(label, shorten(text, 4096)) for label, text in rows]
