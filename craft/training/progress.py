"""How fast a run goes and when it will end."""

from __future__ import annotations

import time
from collections import deque

_RECENT = 5.0
"""Seconds of training over which the speed is taken that people are told: that of a single record of a step or two
jumps about, and the first has all that is done once."""


class ProgressTracker:
    """Seconds of training, tokens a second, and the time left.

    `seconds` counts from the run's first step and across resumes; preparing, waiting and pauses are not in it.
    """

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps
        self.seconds_before = 0.0
        self.started = time.perf_counter()
        self._mark_time, self._mark_tokens, self._pauses = self.started, 0, 0.0
        self._first_step = 0
        self._paused_at: float | None = None
        self._recent: deque[tuple[float, int]] = deque()  # seconds and tokens of the last records
        self._recent_seconds, self._recent_tokens = 0.0, 0

    def start(self, step: int, tokens: int, seconds_before: float) -> None:
        """Begin, or begin again after a resume, with so many steps, tokens and seconds behind."""
        self._first_step, self.seconds_before = step, seconds_before
        self.started = self._mark_time = time.perf_counter()
        self._mark_tokens, self._pauses = tokens, 0.0
        self._recent.clear()
        self._recent_seconds, self._recent_tokens = 0.0, 0

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self.seconds_before + self._now() - self.started

    def pause(self) -> None:
        """Stand still: what comes until `go_on` is no training."""
        self._paused_at = time.perf_counter()

    def go_on(self) -> None:
        """Training goes on."""
        assert self._paused_at is not None, "it is not paused"
        still = time.perf_counter() - self._paused_at
        self._paused_at = None
        self.started += still
        self._mark_time += still

    def _now(self) -> float:
        return time.perf_counter() if self._paused_at is None else self._paused_at

    def exclude(self, seconds: float) -> None:
        """Leave an evaluation or a save out of the throughput."""
        if self._paused_at is None:
            self._pauses += seconds

    def measure(self, tokens: int) -> float:
        """Tokens a second since the last call, evaluations and saves left out."""
        now = time.perf_counter()
        spent, came = max(now - self._mark_time - self._pauses, 1e-9), tokens - self._mark_tokens
        self._mark_time, self._mark_tokens, self._pauses = now, tokens, 0.0
        self._recent.append((spent, came))
        self._recent_seconds, self._recent_tokens = self._recent_seconds + spent, self._recent_tokens + came
        while self._recent_seconds - self._recent[0][0] >= _RECENT:
            seconds, gone = self._recent.popleft()
            self._recent_seconds, self._recent_tokens = self._recent_seconds - seconds, self._recent_tokens - gone
        return came / spent

    @property
    def tokens_per_second(self) -> float | None:
        """Over the last records, some seconds of them; None before there is one."""
        return self._recent_tokens / self._recent_seconds if self._recent else None

    def eta_seconds(self, step: int) -> float | None:
        """Seconds left at this process's average pace, evaluations and saves included; None before a step is done."""
        done = step - self._first_step
        if done <= 0:
            return None
        return (self._now() - self.started) / done * (self.max_steps - step)
