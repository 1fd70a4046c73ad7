"""Typing in the experiments file while four runs train: how soon a character stands on the screen, although threads
check the text and reckon its costs at every stroke. Characters that nothing else writes are typed into a comment."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.workbench_parts.live import four_live_runs, in_time, press_now_and_then
from benchmarks.workbench_parts.terminal import Program, workbench
from workbench import memory

_RARE = 0x1E00  # the first of 256 letters, each typed once: no redrawing of an earlier one is taken for an answer
_LINE = 30  # characters of a comment
_F2, _END = b"\x1bOQ", b"\x1b[F"


def measure(place: Path) -> bool:
    """Whether typing is answered in time."""
    with ExitStack() as stack:
        file = stack.enter_context(four_live_runs(place))
        session = memory.of_project(file)
        session.set("place", "experiments")
        session.flush()
        program = Program(workbench(file))
        stack.callback(program.close)
        program.until(b"transformer")
        # The list, then the form of the chosen one, then its TOML.
        for keys in (b"", b"\r", _F2, _END):
            program.read_for(1.5)
            program.press(keys)

        def typed(number: int) -> tuple[bytes, bytes]:
            if number % _LINE == 0:
                program.press(b"\r# ")
                program.read_for(0.5)
            letter = chr(_RARE + number).encode()
            return letter, letter

        return in_time("a letter in the editor meanwhile", press_now_and_then(program, typed))
