"""The costs of an experiment in words: a panel where there is room, else three lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from textual.content import Content

from craft.runs.folder import slug
from craft.text import clean_line, shorten, width_of
from workbench.project import problem_words

if TYPE_CHECKING:
    from craft.analysis.dry_runs import DryRunResult
    from craft.config.estimate import Range
    from craft.launch.costs import Costs
    from craft.launch.dry_run import Progress
    from workbench.screens.experiments.costing import Weighed

QUIET, LABEL, PLAIN = "$foreground 55%", "$foreground 70%", "$foreground"
GOOD, WARN, BAD, KEY = "$text-success", "$text-warning", "$text-error", "$text-accent"
_FIT_LOOKS = {"fits": GOOD, "may not fit": WARN, "does not fit": BAD, "": QUIET}
_MEMORY = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "activations",
    "logits": "logits, loss",
    "evaluation": "evaluation",
}
CHINCHILLA = 20
"""Tokens a parameter at which compute is spent best on large models (Hoffmann et al. 2022, arXiv:2203.15556)."""
_LABEL = 14
_ROOMY = 56  # columns from which on small figures stand under the large ones

Pair = tuple[str, str]


class CostsText:
    """Lines for one width. `unicode` glyphs only where the terminal shows them."""

    def __init__(self, width: int, *, ascii_only: bool) -> None:
        self.width, self.ascii_only = max(width, 20), ascii_only
        self._indent = _LABEL if self.width >= _ROOMY else 2
        self._has_changes = False

    # --- the panel ---

    def panel(self, weighed: Weighed, progress: Progress | None = None, fault: str = "") -> Content:
        """Everything."""
        lines = [self._head(weighed)]
        if weighed.about:
            lines.append(Content.styled(self._cut(weighed.about), QUIET))
        if weighed.kind == "experiment" and (stem := slug(weighed.name)) != weighed.name.lower():
            lines += self._wrapped(f"its runs are called {stem}-001 ...: their names take a-z 0-9 . _ - alone", QUIET)
        lines.append(Content(""))
        if progress is not None:
            lines += [*self._measuring(progress), Content("")]
        if fault:
            lines += [*self._wrapped(fault, BAD), Content("")]
        for problem in weighed.problems[:6]:
            lines += self._wrapped(problem_words(problem), BAD)
        if weighed.note:
            lines += self._wrapped(weighed.note, QUIET if not weighed.problems else BAD)
        if weighed.costs is not None:
            figures = list(self._figures(weighed, weighed.costs))
            if self._has_changes:
                what = "what is saved" if weighed.before_name == "saved" else weighed.before_name
                lines.append(Content.styled(self._cut(f"with changes against {what}"), QUIET))
            lines += figures
        return Content("\n").join(lines)

    def _head(self, weighed: Weighed) -> Content:
        if weighed.totals is not None:
            what = f"sweep of {weighed.runs:,} runs; below the one that needs most memory"
        elif weighed.runs > 1:
            what = f"sweep of {weighed.runs:,} runs; below the first of them"
        else:
            what = weighed.kind
        name = shorten(weighed.name, self.width - 14, ascii_only=self.ascii_only)
        return Content.assemble(
            (name, f"bold {PLAIN}"), ("  ", ""), (self._cut(what, self.width - width_of(name) - 2), QUIET)
        )

    def _figures(self, weighed: Weighed, costs: Costs) -> Iterator[Content]:
        from craft.analysis.numbers import format_bytes, format_count

        figures, before = costs.figures, weighed.before
        count, size, whole = number(format_count), number(format_bytes), number("{:,.0f}".format)

        def change(of: Callable[[Costs], Range | None]) -> str:
            return _change(of(costs), of(before)) if before is not None else ""

        expected = (costs.expected, before.expected if before is not None else None)
        slower = ""
        # Times by different runs may differ for other reasons than the definitions.
        if expected[0] and expected[1] and expected[0].sources == expected[1].sources:
            slower = _change(expected[0].seconds, expected[1].seconds)
        yield from self._time(weighed, costs, slower)
        yield from self._memory(costs, change(lambda one: one.figures.peak), size)
        words = [(whole(figures.total_parameters), PLAIN)]
        yield self._line("parameters", words, change(lambda one: one.figures.total_parameters))
        yield from self._parts({name: count(part) for name, part in figures.parameters.items()})
        in_all = f", {count(figures.total_flops)} in all" if figures.total_flops else ""
        words = [(f"{count(figures.flops_per_token)} a token{in_all}", PLAIN)]
        yield self._line("FLOPs", words, change(lambda one: one.figures.total_flops or one.figures.flops_per_token))
        if figures.steps and figures.tokens_seen:
            epochs = f", {count(figures.epochs)} epochs" if figures.epochs else ""
            words = [(f"{whole(figures.steps)} steps, {count(figures.tokens_seen)} tokens{epochs}", PLAIN)]
            yield self._line("length", words, change(lambda one: one.figures.tokens_seen))
        if figures.tokens_per_parameter:
            remark = f"  (Chinchilla: about {CHINCHILLA})"
            yield self._line("tokens/param", [(count(figures.tokens_per_parameter), PLAIN), (remark, QUIET)], "")
        if not figures.is_prepared:
            vocabulary = figures.vocab_size
            guess = "" if vocabulary.is_exact else f", for a vocabulary guessed at {whole(vocabulary)}"
            yield from self._wrapped(f"the text was not prepared yet, so some figures are ranges{guess}", QUIET)

    def _time(self, weighed: Weighed, costs: Costs, change: str) -> Iterator[Content]:
        from craft.analysis.numbers import format_rate
        from craft.analysis.past_speed import basis_words, duration_words

        expected, totals = costs.expected, weighed.totals
        if totals is not None:
            words = duration_words(totals.seconds) if totals.seconds else "unknown until one was measured: F5"
            yield self._line("time of all", [(words, f"bold {PLAIN}" if totals.seconds else WARN)], "")
        elif weighed.runs > 1 and expected is not None:
            words = f"about {duration_words(_times(expected.seconds, weighed.runs))}"
            how = f"  the first x {weighed.runs:,}"
            yield self._line("time of all", [(words, f"bold {PLAIN}"), (how, QUIET)], "")
        if expected is None:
            yield self._line("time", [("unknown until measured: ", WARN), ("F5", KEY)], "")
        else:
            about = "about " if expected.is_about else ""
            yield self._line("time", [(about + duration_words(expected.seconds), f"bold {PLAIN}")], change)
            rate = number(lambda value: format_rate(value, "tok/s"))(expected.tokens_per_second)
            yield from self._wrapped(f"{' ' * self._indent}{rate}, {basis_words(expected)}", QUIET)
        if costs.dry_run is not None:
            yield from self._measured(costs.dry_run)

    def _measured(self, dry: DryRunResult) -> Iterator[Content]:
        """What a dry run of this very definition found."""
        from craft.analysis.numbers import format_loss, format_number

        steps = f"  dry run of {dry.steps} steps, {_ago(dry.measured)}"
        yield self._line("measured", [(f"{format_number(dry.seconds_per_step)} s a step", PLAIN), (steps, QUIET)], "")
        (_, first), (step, last) = dry.losses[0], dry.losses[-1]
        arrow = "->" if self.ascii_only else "\u2192"
        yield self._more(f"loss {format_loss(first)} {arrow} {format_loss(last)} at step {step:.0f}")
        yield self._more(f"first step done after {dry.first_step_seconds:.1f} s")
        for reason in dry.reasons:
            yield self._more(reason)
        if dry.disturbed_by:
            words = f"disturbed by {', '.join(dry.disturbed_by)}: alone it is faster"
            yield from self._wrapped(words, WARN)
        for note in dry.notes[:3]:
            yield from self._wrapped(f"warning: {note}", WARN)

    def _memory(self, costs: Costs, change: str, size: Callable[[Range], str]) -> Iterator[Content]:
        from craft.analysis.numbers import format_bytes

        fit, figures = costs.fit, costs.figures
        look = _FIT_LOOKS[fit.word]
        glyph = (
            ""
            if self.ascii_only or not fit.word
            else {"fits": "\u2713 ", "may not fit": "~ ", "does not fit": "\u2717 "}[fit.word]
        )
        if fit.machine is None:
            yield self._line(
                "memory", [(f"{size(fit.needs)}; what is free on {figures.device} cannot be found out", PLAIN)], change
            )
        else:
            words = f"{size(fit.needs)} of {format_bytes(fit.machine.free)} free"
            yield self._line("memory", [(f"{glyph}{fit.word}", f"bold {look}"), (f"  {words}", PLAIN)], change)
            yield self._gauge(fit.needs.high, fit.machine.total - fit.machine.free, fit.machine.total, look)
            yield self._more(f"on {fit.machine.where}, {format_bytes(fit.machine.total)} in all")
        for other in fit.others:
            yield self._more(f"{other.where}: {format_bytes(other.free)} of {format_bytes(other.total)} free")
        if costs.dry_run is not None and costs.dry_run.peak_memory:
            yield self._line("", [(f"measured at most {format_bytes(costs.dry_run.peak_memory)}", PLAIN)], "")
        if costs.advice:
            yield from self._wrapped(f"{' ' * self._indent}{costs.advice}", WARN)
        yield from self._parts({words: size(figures.memory[name]) for name, words in _MEMORY.items()})

    def _gauge(self, needs: float, used: float, total: float, look: str) -> Content:
        """Memory as a bar: what others use, what this takes, what stays free."""
        room = max(10, min(40, self.width - self._indent))
        full, part, rest = ("#", "=", ".") if self.ascii_only else ("\u2592", "\u2588", "\u2591")
        others = min(room, round(room * used / total))
        own = min(room - others, max(1, round(room * needs / total)))
        bar = [(full * others, QUIET), (part * own, look), (rest * (room - others - own), QUIET)]
        return Content.assemble(" " * self._indent, *bar)

    def _parts(self, parts: dict[str, str]) -> Iterator[Content]:
        """Small figures beside each other, as many as fit a line."""
        line = ""
        room = self.width - self._indent
        for name, value in parts.items():
            word = f"{name} {value}"
            longer = f"{line}, {word}" if line else word
            if width_of(longer) > room and line:
                yield self._more(line)
                longer = word
            line = longer
        if line:
            yield self._more(line)

    def _measuring(self, progress: Progress) -> Iterator[Content]:
        from craft.analysis.numbers import format_loss, format_number

        words = f"dry run: {progress.message}"
        if progress.seconds_per_step is not None:
            words += f", step {progress.step}, {format_number(progress.seconds_per_step)} s a step"
        if progress.loss is not None:
            words += f", loss {format_loss(progress.loss)}"
        yield Content.assemble((self._cut(words, self.width - 11), f"bold {KEY}"), ("  esc stops", QUIET))

    # --- three lines ---

    def strip(self, weighed: Weighed, progress: Progress | None = None, fault: str = "") -> Content:
        """What matters most."""
        lines = [self._gist(weighed)]
        if progress is not None:
            lines += self._measuring(progress)
        elif fault:
            lines.append(Content.styled(self._cut(fault), BAD))
        elif weighed.costs is not None and not weighed.problems:
            lines += [self._memory_gist(weighed.costs), self._time_gist(weighed, weighed.costs)]
        return Content("\n").join(lines)

    def _gist(self, weighed: Weighed) -> Content:
        """Name, and its size or its first problem."""
        from craft.analysis.numbers import format_count

        name = shorten(weighed.name, 24, ascii_only=self.ascii_only)
        look = PLAIN
        if weighed.problems:
            said, look = problem_words(weighed.problems[0]), BAD
        elif weighed.costs is None:
            said, look = weighed.note, QUIET
        else:
            figures, before = weighed.costs.figures, weighed.before
            count = number(format_count)
            change = _change(figures.total_parameters, before.figures.total_parameters) if before else ""
            parts = [f"{count(figures.total_parameters)} parameters{f' ({change})' if change else ''}"]
            if figures.total_flops:
                parts.append(f"{count(figures.total_flops)} FLOPs")
            if weighed.runs > 1:
                parts.append(f"{weighed.runs:,} runs")
            said = ", ".join(parts)
        return Content.assemble(
            (f"{name}  ", f"bold {PLAIN}"), (self._cut(said, self.width - width_of(name) - 2), look)
        )

    def _memory_gist(self, costs: Costs) -> Content:
        from craft.analysis.numbers import format_bytes

        fit = costs.fit
        free = f" of {format_bytes(fit.machine.free)} free" if fit.machine else ""
        advice = f"; {costs.advice}" if costs.advice else ""
        words = f"  {number(format_bytes)(fit.needs)}{free}{advice}"
        verdict = fit.word or "memory"
        return Content.assemble(
            (verdict, f"bold {_FIT_LOOKS[fit.word]}"), (self._cut(words, self.width - len(verdict)), PLAIN)
        )

    def _time_gist(self, weighed: Weighed, costs: Costs) -> Content:
        from craft.analysis.past_speed import basis_words, duration_words

        expected = costs.expected
        seconds = weighed.totals.seconds if weighed.totals else expected.seconds if expected else None
        if weighed.runs > 1 and weighed.totals is None and expected is not None:
            words = f"about {duration_words(_times(expected.seconds, weighed.runs))}"
            how = f"  the first x {weighed.runs:,}, {basis_words(expected)}"
            return Content.assemble((words, f"bold {PLAIN}"), (self._cut(how, self.width - len(words)), QUIET))
        if seconds is None or expected is None:
            return Content.assemble((self._cut("time unknown until measured: ", self.width - 2), WARN), ("F5", KEY))
        words = ("about " if expected.is_about else "") + duration_words(seconds)
        return Content.assemble(
            (words, f"bold {PLAIN}"), (self._cut(f"  {basis_words(expected)}", self.width - len(words)), QUIET)
        )

    # --- pieces ---

    def _line(self, label: str, words: list[Pair], change: str) -> Content:
        end = f"  {change}" if change else ""
        self._has_changes |= bool(change)
        room = self.width - _LABEL - len(end)
        parts: list[Pair] = []
        for text, look in words:
            text = self._cut(text, room) if width_of(text) > room else clean_line(text, ascii_only=self.ascii_only)
            room -= width_of(text)
            parts.append((text, look))
        return Content.assemble((label.ljust(_LABEL), LABEL), *parts, (end, KEY))

    def _more(self, text: str) -> Content:
        return Content.styled(" " * self._indent + self._cut(text, self.width - self._indent), QUIET)

    def _cut(self, text: str, room: int | None = None) -> str:
        return shorten(text, self.width if room is None else max(room, 0), ascii_only=self.ascii_only)

    def _wrapped(self, text: str, look: str) -> Iterator[Content]:
        """Text over as many lines as it needs, six at most, indented as it begins; a path too long is broken."""
        indent = len(text) - len(text.lstrip())
        room = max(self.width - indent, 8)
        line, lines = "", []
        for word in clean_line(text, ascii_only=self.ascii_only).split():
            longer = f"{line} {word}" if line else word
            if width_of(longer) > room and line:
                lines.append(line)
                longer = word
            while width_of(longer) > room and longer.isascii():
                lines.append(longer[:room])
                longer = longer[room:]
            line = longer
        for part in [*lines, line][:6]:
            yield Content.styled(" " * indent + shorten(part, room, ascii_only=self.ascii_only), look)


def number(write: Callable[[float], str]) -> Callable[[Range], str]:
    """A figure or both its bounds; bounds that are written alike are one."""

    def written(figure: Range) -> str:
        low, high = write(figure.low), write(figure.high)
        return low if low == high else f"{low} to {high}"

    return written


def _times(one: Range, count: int) -> Range:
    return type(one)(one.low * count, one.high * count)


def _change(new: Range | None, old: Range | None) -> str:
    """How much more or less, by the upper bounds; empty where that is nothing."""
    if new is None or old is None or not old.high or new == old:
        return ""
    ratio = new.high / old.high
    if ratio >= 3 or ratio <= 1 / 3:
        return f"x{ratio:.3g}"
    percent = 100 * (ratio - 1)
    return f"{percent:+.0f} %" if abs(percent) >= 0.5 else ""


def _ago(moment: float) -> str:
    from craft.analysis.numbers import format_age

    age = format_age(time.time() - moment)
    return "just now" if age == "now" else f"{age} ago"
