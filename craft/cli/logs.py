"""`craft logs`: what a run's worker printed."""

from __future__ import annotations

import codecs
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import find_run, run_argument, runs_dir_option

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder

_CHUNK = 1 << 16


@click.command()
@run_argument()
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run ends.")
@click.option("-n", "--lines", type=click.IntRange(0), metavar="N", help="Begin at the last N lines.")
@runs_dir_option
def logs(name: str, follow: bool, lines: int | None, runs_dir: Path | None) -> None:
    """Print what a run's worker printed."""
    folder = find_run(name, runs_dir)
    if not folder.log.exists() and not follow:
        sys.stderr.write(f"{folder.name} has printed nothing yet\n")
        return
    offset = _start_of_last(folder.log, lines) if lines is not None else 0
    # A character may lie across two reads.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        ended = not follow or _has_ended(folder)  # asked first, so that nothing printed before the end is missed
        offset = _print_from(folder.log, offset, decoder)
        if ended:
            return
        time.sleep(0.2)


def _has_ended(folder: RunFolder) -> bool:
    from craft.launch.follow import ENDS, look_at

    look = look_at(folder)
    return look.phase in ENDS and not look.held  # one that is leaving may still say something


def _print_from(log: Path, offset: int, decoder: codecs.IncrementalDecoder) -> int:
    """Print what is in the log from `offset` on; returns where it ended."""
    from craft.text import clean

    try:
        with log.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(_CHUNK):
                sys.stdout.write(clean(decoder.decode(chunk)))
                offset += len(chunk)
    except FileNotFoundError:
        return offset
    sys.stdout.flush()
    return offset


def _start_of_last(log: Path, lines: int) -> int:
    """Where the last `lines` lines of a file begin, found from its end."""
    try:
        with log.open("rb") as file:
            end = position = file.seek(0, 2)
            breaks = 0
            while position > 0:
                size = min(_CHUNK, position)
                position -= size
                file.seek(position)
                block = file.read(size)
                for place in range(size - 1, -1, -1):
                    # A break at the very end closes the last line; it begins none.
                    if block[place] == 0x0A and position + place != end - 1:
                        breaks += 1
                        if breaks == lines:
                            return position + place + 1
                if lines == 0:
                    return end
    except FileNotFoundError:
        pass
    return 0
