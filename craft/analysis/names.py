"""Names in a filter that nothing has: a slip of the pen would let through nothing, and look like an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from craft.analysis.facts import metric_names, setting_names
from craft.analysis.filters import NAMES, Facts, Filter, fault_at
from craft.runs.store import RunSummary

_LOOKED_AT = 20  # runs whose settings and metrics are offered
_NEAR = 3


def check_names(text: str, wanted: Filter, runs: Sequence[RunSummary], facts_of: Callable[[RunSummary], Facts]) -> None:
    """Raises UsageError for a name in `wanted`, as `text` was read, of which no run says anything."""
    for name in sorted(wanted.names() - NAMES.keys()):
        if runs and all(facts_of(run)(name) is None for run in runs):
            near = _nearest(name, runs)
            hint = f"; near it: {', '.join(near)}" if near else "; a figure such as val/loss, a setting such as lr"
            raise fault_at(text, max(text.find(name), 0), f"no run has '{name}'{hint}")


def _nearest(name: str, runs: Sequence[RunSummary]) -> list[str]:
    """The names of figures, settings and metrics that are most like this one."""
    import difflib

    known = {other for one, (others, _) in NAMES.items() for other in (one, *others)}
    for run in runs[:_LOOKED_AT]:
        known.update(metric_names(run.folder))
        for path in setting_names(run.folder):
            known.update((path, path.rpartition(".")[2]))
    return difflib.get_close_matches(name, sorted(known), n=_NEAR)
