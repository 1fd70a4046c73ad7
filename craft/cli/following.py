"""Runs followed to their ends: the loop under `craft run`, `craft resume` and `craft watch`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from craft import platform
from craft.cli.narrate import Narrator
from craft.cli.terminal import Keys, Screen
from craft.errors import RunError
from craft.launch.follow import ENDS, Follower, News
from craft.launch.queue.dispatch import Started, ensure_runner, settle, was_taken_over, withdraw
from craft.launch.workers import ask_to_stop, kill
from craft.runs.folder import RunFolder

_LOOK_EVERY = 0.2
_WAITING_SHOWN = 4  # waiting runs that are looked at each time; the others do not move before these
_ONE_PRESS = 0.2  # seconds: `make` and other wrappers pass one Ctrl-C on twice

Emit = Callable[[dict[str, Any]], None]


@dataclass
class Followed:
    """One run, and who tells it."""

    folder: RunFolder
    follower: Follower
    narrator: Narrator
    phase: str = ""
    asked: bool = False
    """Whether it was asked to stop from here."""


class Following:
    """Tells runs until all have ended.

    `owns`: Ctrl-C once stops and saves them, twice kills them; else Ctrl-C only ends the telling. `emit` gets
    every record, event and phase as an object. `begin` starts the runs and returns the worker that this process
    started; Ctrl-C is obeyed from before it. `only_new`: begin with what happens from now on.
    """

    def __init__(
        self,
        folders: Sequence[RunFolder],
        screen: Screen,
        *,
        begin: Callable[[], Started | None] = lambda: None,
        owns: bool = True,
        emit: Emit | None = None,
        plot_moving: bool = False,
        only_new: bool = False,
    ) -> None:
        self.screen, self.owns, self.emit = screen, owns, emit
        self.plot_moving = plot_moving and screen.live
        self._begin = begin
        self.started: Started | None = None
        self.runs: list[Followed] = []
        for folder in folders:
            follower = Follower(folder, only_new=only_new)
            narrator = Narrator(screen, follower, named=len(folders) > 1)
            self.runs.append(Followed(folder, follower, narrator))
        self.presses = 0
        self._last_press = 0.0
        self._acted_on = 0
        self._moving_plot, self._moving_plot_due = "", 0.0

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.presses > 0

    def follow(self) -> list[Followed]:
        """Look, tell and wait until every run has ended, or Ctrl-C ends the telling. Returns all runs."""
        open_runs = list(self.runs)
        ensured = time.monotonic()
        with Keys() as keys:
            keys.handle(signal.SIGINT, self._pressed)
            self.started = self._begin()
            for run in self.runs:
                run.follower.started = self._process_of(run)
            try:
                while open_runs:
                    platform.reap()
                    self._settle()
                    for run in self._worth_a_look(open_runs):
                        if self._look(run):
                            open_runs.remove(run)
                            if len(self.runs) > 1:
                                run.narrator.tell_short_end()
                    if not self._obey(open_runs):
                        break
                    if open_runs:
                        self._draw(open_runs)
                        if "p" in keys.wait(_LOOK_EVERY).lower():
                            self._plot(open_runs)
                    if time.monotonic() - ensured > 1.0 and any(run.phase == "queued" for run in open_runs):
                        ensured = time.monotonic()
                        ensure_runner(open_runs[0].folder.path.parent)
            finally:
                self.screen.erase()
        return self.runs

    # Looking -----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self.started is not None and settle(self.started):
            self.started = None

    def _worth_a_look(self, open_runs: list[Followed]) -> list[Followed]:
        waiting = [run for run in open_runs if run.phase in ("", "queued")]
        return [run for run in open_runs if run.phase not in ("", "queued")] + waiting[:_WAITING_SHOWN]

    def _look(self, run: Followed) -> bool:
        """Tell what is new; True when the run has ended."""
        news = run.follower.look()
        if self.emit is not None:
            _emit_news(self.emit, run, news)
        run.phase = news.phase
        # Where one run of this command waits for another, there is nothing to say.
        alone = all(one.phase in ("", "queued", *ENDS) for one in self.runs)
        first = next((one for one in self.runs if one.phase not in ENDS), run)
        run.narrator.tell(news, say_why_queued=alone and run is first)
        return news.has_ended

    def _draw(self, open_runs: list[Followed]) -> None:
        live = [run for run in open_runs if run.phase not in ("", "queued")]
        shown = (live or open_runs)[0]
        lines = [run.narrator.moving_line() for run in live[:_WAITING_SHOWN]] or [shown.narrator.moving_line()]
        if self.plot_moving and shown.follower.metrics.records:
            if time.monotonic() >= self._moving_plot_due:
                self._moving_plot = shown.narrator.plot()
                self._moving_plot_due = time.monotonic() + 1.0
            lines = [*self._moving_plot.split("\n"), *lines]
        self.screen.redraw(*lines)

    def _plot(self, open_runs: list[Followed]) -> None:
        for run in open_runs:
            if run.follower.metrics.records:
                self.screen.line(run.folder.name, "bold")
                self.screen.line(run.narrator.plot())
                return
        self.screen.line("nothing to plot yet", "dim")

    # Ctrl-C ------------------------------------------------------------------------------------------------------

    def _pressed(self) -> None:
        now = time.monotonic()
        if now - self._last_press > _ONE_PRESS:
            self.presses += 1
        self._last_press = now

    def _obey(self, open_runs: list[Followed]) -> bool:
        """Do what Ctrl-C asked for; False when the telling is over."""
        if not self.presses:
            return True
        if not self.owns or self.presses > 2:
            return False
        is_new, self._acted_on = self.presses > self._acted_on, self.presses
        if is_new:
            self._withdraw(open_runs)
            if self.presses == 1:
                words = "stopping: it finishes the step and saves; Ctrl-C again kills it at once"
                self.screen.line(words, "yellow")
            else:
                self.screen.line("killing: what came after the last checkpoint is lost", "red")
        for run in open_runs:
            if self.presses == 1:
                self._ask(run)
            else:
                kill(run.folder, self._process_of(run))
        return True

    def _withdraw(self, open_runs: list[Followed]) -> None:
        """Let none of those that wait begin; the last first, so that none moves up meanwhile."""
        for run in reversed(open_runs):
            if run.phase in ("", "queued"):
                try:
                    withdraw(run.folder)
                except RunError as error:  # a full disk, say: the others stop all the same
                    self.screen.line(str(error), "yellow")

    def _ask(self, run: Followed) -> None:
        """Ask a run to stop, once; a worker that is still starting is asked when it is there."""
        if run.asked or not was_taken_over(run.folder):
            return
        try:
            ask_to_stop(run.folder)
        except RunError:
            return  # it has just ended by itself
        run.asked = True

    def _process_of(self, run: Followed) -> platform.ProcessIdentity | None:
        own = self.started is not None and self.started.folder == run.folder
        return self.started.process if self.started is not None and own else None


def _emit_news(emit: Emit, run: Followed, news: News) -> None:
    name = run.folder.name
    if news.phase != run.phase:
        emit({"kind": "phase", "run": name, "phase": news.phase, "reason": news.observed.reason})
    for record in news.records:
        emit({"kind": "metrics", "run": name, **record})
    for event in news.events:
        emit({**event, "kind": "event", "run": name, "event": event.get("kind")})


def end_record(run: Followed) -> dict[str, Any]:
    """How a run ended, as the last object that `--json` prints about it."""
    news, metrics = run.narrator.news, run.follower.metrics
    assert news is not None
    status = news.observed.status
    return {
        "kind": "end",
        "run": run.folder.name,
        "path": str(run.folder.path),
        "phase": run.phase,
        "step": status.step,
        "max_steps": status.max_steps,
        "tokens": status.tokens,
        "seconds": run.follower.trained_seconds(run.phase),
        "train/loss": metrics.last("train/loss"),
        "val/loss": metrics.last("val/loss"),
        "best": status.best,
        "best_step": status.best_step,
        "error": status.error,
    }
