"""What a person wants to see of the runs: the filter, the order, the folding and the columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual import on

from workbench.messages import GroupToggled, SortAsked
from workbench.screens.base import WorkbenchScreen
from workbench.screens.runs.arrange import View
from workbench.screens.runs.columns import COLUMNS, DEFAULT_KEYS, MORE_COLUMNS, Column, columns_of
from workbench.screens.runs.filter_bar import FilterBar
from workbench.screens.runs.kept_view import keep_view
from workbench.screens.runs.table import RunTable


class Viewing(WorkbenchScreen):
    """The keys and messages that change it."""

    _view: View
    _filter: FilterBar
    _table: RunTable

    def _keys(self) -> list[str]:
        return self.app.session.texts("runs.columns", DEFAULT_KEYS) or DEFAULT_KEYS

    @property
    def columns(self) -> list[Column]:
        """Those that were chosen."""
        return columns_of(self._keys())

    def _look_at(self, **changes: Any) -> None:
        """Another filter, order or folding: kept, and the rows made anew."""
        self._view = replace(self._view, **changes)
        keep_view(self.app.session, self._view)
        self.show_runs()

    @on(FilterBar.Typed)
    def _filter_typed(self, message: FilterBar.Typed) -> None:
        self._look_at(words=message.words, typing=message.typing)

    @on(FilterBar.Rested)
    def _filter_rests(self) -> None:
        if self._view.typing:
            self._look_at(typing=False)

    @on(FilterBar.Left)
    def _filter_left(self) -> None:
        self._table.focus()

    @on(SortAsked)
    def _sort_by(self, message: SortAsked) -> None:
        if message.key != self._view.sort:
            self._look_at(sort=message.key, turned=False)
        elif not self._view.turned:
            self._look_at(turned=True)
        else:
            self._look_at(sort="", turned=False)

    @on(GroupToggled)
    def _toggle_group(self, message: GroupToggled) -> None:
        self._look_at(open_groups=self._view.open_groups ^ {message.group})

    def action_filter(self) -> None:
        self._filter.open()

    def action_sort(self) -> None:
        from workbench.dialogs.choose import Choice, ChooseScreen

        choices = [Choice("", "as they come", "what trains, what waits in its order, then the newest")]
        choices.append(Choice("run", "run", "by name"))
        known = {column.key: column for column in (*self.columns, *COLUMNS, *MORE_COLUMNS)}
        choices += [Choice(key, column.title or key, key) for key, column in known.items()]
        here = next((n for n, choice in enumerate(choices) if choice.value == self._view.sort), 0)

        def take(key: str | None) -> None:
            if key is not None:
                self._look_at(sort=key, turned=False)

        self.app.push_screen(ChooseScreen("Sort by", choices, at=here), take)

    def action_turn(self) -> None:
        self._look_at(turned=not self._view.turned)

    def action_fold(self) -> None:
        self._look_at(fold=not self._view.fold)

    def action_columns(self) -> None:
        from workbench.screens.runs.columns_screen import ColumnsScreen

        def take(keys: list[str] | None) -> None:
            if keys is not None:
                self.app.session.set("runs.columns", keys)
                self._table.show_columns(self.columns)

        run = self._table.selected
        self.app.push_screen(ColumnsScreen(self._keys(), run.folder if run else None), take)
