"""The last look before runs are made: what they cost, with what changes, how many at once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.errors import ConfigError, CraftError
from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.project import problem_words
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from craft.launch.costs import Totals
    from workbench.screens.experiments.launching import Order

_SETTLE = 0.2
_SHORT = 60.0  # seconds in which starting is a part to be reckoned with
_MOST_SLOTS = 1024
_AROUND = 7  # rows: the dialog's own margin, what is wrong, and what the keys do


class LaunchScreen(Dialog["Order | None"]):
    """Gives the order, or None. `weigh` finds out in a thread what an order costs."""

    BINDINGS = bindings_of("launch")
    KEEPS_TYPED = True

    def __init__(self, names: Sequence[str], *, slots: int, weigh: Callable[[Order], tuple[Totals, bool]]) -> None:
        super().__init__()
        self._names, self._slots, self._weigh = tuple(names), slots, weigh
        self._fault = "the costs are not known yet"

    def compose(self) -> ComposeResult:
        what = self._names[0] if len(self._names) == 1 else f"{len(self._names)} experiments"
        with Vertical(classes="dialog"):
            with VerticalScroll(id="order"):
                # Whose dialog this is, with all names: what is typed is found again after a crash for these alone.
                names = f"\n{self.line(', '.join(self._names))}" if len(self._names) > 1 else ""
                yield Static(Content.assemble((self.line(f"Run {what}"), "bold"), (names, "$foreground 60%")))
                yield Static(Content("..."), id="costs-of-all", classes="space")
                yield Static(Content("changes for these runs, such as training.max_steps=60 seed=2"), classes="space")
                yield Line(placeholder="path=value path=value", id="overrides")
                yield Static(Content("runs at once on the CPU (on GPUs it is one a GPU)"), classes="space")
                yield Line(str(self._slots), id="slots", type="integer")
            # What is wrong, and what the keys do, stay in view where the rest has to scroll.
            yield Static(id="fault")
            yield Answers()

    def on_resize(self) -> None:
        self.query_one("#order").styles.max_height = max(self.app.size.height - _AROUND, 3)

    def on_mount(self) -> None:
        self.query_one("#overrides", Input).focus()
        self._find_out()

    def _order(self) -> Order | str:
        """What the fields say, or what is wrong with them."""
        from workbench.screens.experiments.launching import Order

        words, slots = self.query_one("#overrides", Input).value, self.query_one("#slots", Input).value
        try:
            overrides = tuple(shlex.split(words))
        except ValueError:
            return "a quote is not closed"
        if wrong := next((one for one in overrides if "=" not in one), None):
            return f"'{wrong}' is no path=value"
        if not slots.isdecimal() or len(slots) > 9 or not 1 <= int(slots) <= _MOST_SLOTS:
            return f"runs at once: a number from 1 to {_MOST_SLOTS}"
        return Order(self._names, overrides, int(slots))

    def on_input_changed(self) -> None:
        self._fault = "the costs are not known yet"
        self.set_timer(_SETTLE, self._find_out)

    def _find_out(self) -> None:
        order = self._order()
        if isinstance(order, str):
            self._show_fault(order)
        else:
            self._find_costs(order)

    @work(thread=True, group="costs of all", description="find costs", exclusive=True, exit_on_error=False)
    def _find_costs(self, order: Order) -> None:
        worker = get_current_worker()
        try:
            totals, on_cpu = self._weigh(order)
        except ConfigError as error:
            words = [problem_words(one, of=self.app.project.file) for one in error.problems]
            said = "\n".join(words[:4]) or str(error)
        except CraftError as error:
            said = str(error)
        else:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._show_costs, order, totals, on_cpu)
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show_costs, order, said)

    def _show_fault(self, words: str) -> None:
        self._fault = words
        self.query_one("#fault", Static).update(Content.styled(self.text(words), "$text-error"))

    def _show_costs(self, order: Order, found: Totals | str, on_cpu: bool = False) -> None:
        """What an order costs, or why that is not known; of one that was changed meanwhile nothing is said."""
        if not self.is_mounted or self._order() != order:
            return
        self._show_fault(found if isinstance(found, str) else "")
        if not isinstance(found, str):
            self.query_one("#costs-of-all", Static).update(Content("\n").join(_lines(order, found, on_cpu)))
        self.call_after_refresh(self._keep_in_view)

    def _keep_in_view(self) -> None:
        """Figures that came, or words on what is wrong, push nothing away that is typed in."""
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    # --- answers ---

    @on(Input.Submitted)
    def _submit(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        order = self._order()
        if isinstance(order, str):
            self._show_fault(order)
        elif self._fault:
            self._show_fault(self._fault)
        else:
            self.dismiss(order)

    def action_cancel(self) -> None:
        self.dismiss(None)


def _lines(order: Order, totals: Totals, on_cpu: bool) -> list[Content]:
    """What the order costs."""
    from craft.analysis.numbers import format_bytes
    from craft.analysis.past_speed import basis_words, duration_words
    from craft.config.estimate import Range
    from workbench.screens.experiments.costs_text import BAD, GOOD, QUIET, WARN, number

    size = number(format_bytes)
    largest = totals.largest
    lines = [_line("runs", f"{totals.runs:,}", "$foreground")]
    if totals.seconds is None:
        words = "unknown until measured" if totals.unknown == totals.runs else f"unknown for {totals.unknown} of them"
        lines.append(_line("time", f"{words}; F5 on the experiment measures", WARN))
    else:
        at_once = min(order.slots, totals.runs) if on_cpu else 1
        words = duration_words(totals.seconds)
        if at_once > 1:
            # On the CPU runs at once share its cores, so that they end together, and not sooner.
            words += f" on all cores; {at_once} at once share them"
        elif totals.runs > 1:
            words += ", one after another"
        lines.append(_line("time", words, "$foreground"))
        if totals.runs == 1 and largest.expected is not None:
            lines.append(_line("", basis_words(largest.expected), QUIET))
        if totals.seconds.high < _SHORT:
            lines.append(_line("", "training alone: each run takes some seconds more to start", QUIET))
    fit = largest.fit
    at_once = min(order.slots, totals.runs) if on_cpu else 1
    needs = Range(fit.needs.low * at_once, fit.needs.high * at_once)
    if fit.machine is None:
        lines.append(_line("memory", size(needs), "$foreground"))
    else:
        word = (
            "fits"
            if needs.high <= fit.machine.free
            else "does not fit"
            if needs.low > fit.machine.free
            else "may not fit"
        )
        look = {"fits": GOOD, "may not fit": WARN, "does not fit": BAD}[word]
        together = f" for {at_once} at once" if at_once > 1 else ""
        lines.append(_line("memory", f"{word}: {size(needs)}{together}, {format_bytes(fit.machine.free)} free", look))
        if largest.advice:
            lines.append(_line("", largest.advice, WARN))
    lines.append(_line("disk", f"{size(totals.disk)} of checkpoints", "$foreground"))
    return lines


def _line(label: str, words: str, look: str) -> Content:
    return Content.assemble((label.ljust(9), "$foreground 60%"), (words, look))
