"""What the commands share that ask runs for something: several at once, each told as its answer comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from craft.cli.common import say

if TYPE_CHECKING:
    from craft.launch.groups.asking import Asking
    from craft.runs.asking import Answer
    from craft.runs.folder import RunFolder
    from craft.runs.liveness import Observed

no_wait_option = click.option("--no-wait", is_flag=True, help="Ask, and do not wait until it is done.")


def is_picked(names: Sequence[str], group: str | None) -> bool:
    """Whether runs were picked by a pattern or a group: then one that cannot is passed over."""
    return group is not None or any(sign in name for name in names for sign in "*?[")


def asking_for(
    kind: str,
    verb: str,
    tell: Callable[[RunFolder, Answer], str],
    *,
    wait: bool = True,
    why_not: Callable[[Observed], str] = lambda _: "",
) -> Asking:
    """Runs are asked, and what comes of it is said on standard error; the rest as for `Asking`."""
    from craft.launch.groups.asking import Asking

    return Asking(kind, verb, tell, say=say, refuse=refused, wait=wait, why_not=why_not)


def refused(words: str) -> None:
    """Say what could not be done."""
    say(f"craft: {words}")


def exit_status(asking: Asking, *, picked: bool) -> int:
    """2 when a run that was named could not, or none of those that were picked."""
    return 2 if asking.failed and not (picked and asking.done) else 0
