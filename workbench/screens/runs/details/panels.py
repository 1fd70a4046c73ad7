"""Which metrics stand in which chart, in which order, and under what title."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.screens.runs.details.metric_help import about

SPLITS = ("train", "val", "test")
_FIRST = ("loss", "tokens_per_second", "lr", "grad_norm", "perplexity", "bits_per_byte", "accuracy", "mfu")


@dataclass(frozen=True)
class Panel:
    """One chart. `key` names it in what is remembered."""

    key: str
    title: str
    names: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def words(self) -> str:
        """All that a filter looks through."""
        return f"{self.title} {' '.join(self.names)}".lower()


def panels_of(names: Iterable[str], *, system: bool = False) -> list[Panel]:
    """The charts of these metrics: a figure of several splits is one chart, the losses come first. `system` gives the
    machine's instead of the training's."""
    together: dict[str, list[str]] = {}
    for name in names:
        split, _, rest = name.partition("/")
        if (split == "system") == system:
            together.setdefault(rest if split in SPLITS else name, []).append(name)
    panels = [_panel(key, found) for key, found in together.items()]
    order = {panel.key: place for place, panel in enumerate(panels)}
    return sorted(panels, key=lambda panel: (_rank(panel.key), _group(panel.key), order[panel.key]))


def _rank(key: str) -> int:
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)


def _group(key: str) -> str:
    return key.rpartition("/")[0]


def _panel(key: str, names: Sequence[str]) -> Panel:
    known = about(names[0])
    splits = [name.partition("/")[0] for name in names]
    if splits[0] in SPLITS:
        names = sorted(names, key=lambda name: SPLITS.index(name.partition("/")[0]))
        labels = tuple(name.partition("/")[0] for name in names)
        title = known.title if known else key
    else:
        labels = tuple(name.rpartition("/")[2] for name in names)
        title = f"{known.title}: {labels[0]}" if known and key.startswith("norms/") else known.title if known else key
    return Panel(key, title, tuple(names), labels)


def shown_panels(panels: Sequence[Panel], chosen: Sequence[str], words: str) -> list[Panel]:
    """Those that were chosen (all where nothing is) and that hold all the words of a filter."""
    wanted = words.lower().split()
    taken = [panel for panel in panels if panel.key in chosen] or panels
    return [panel for panel in (panels if wanted else taken) if all(word in panel.words for word in wanted)]
