"""A log of a million records that is followed while it grows as fast as it can be written, by readers and by commands.

    python -m benchmarks.faults.live_tail write RUN_DIR RECORDS     the worker's side: the log that workers write
    python -m benchmarks.faults.live_tail read RUN_DIR              readers of every kind, side by side

Every 500th line comes in two pieces, every 5,000th is begun, taken back and written anew, as on a disk that fills up,
and now and then the run goes back some steps, as a resume does. Each record has a number, so none can be missing,
doubled or out of order unseen.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pexpect

from benchmarks.faults.fault import Fault, Outcome
from craft.launch.follow import Follower
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.json_files import encode_line
from craft.runs.jsonl import LineReader
from craft.runs.liveness import observe
from craft.runs.lock import hold_run_lock
from craft.runs.metrics import MetricsLog, MetricsReader
from craft.runs.status import StatusWriter

_TORN, _TAKEN_BACK, _GOES_BACK, _SAID = 500, 5_000, 40_000, 20
_MEGABYTES = 250  # of a whole process, Python and all, that looks on; whole records would take a gigabyte
_SLOWER = 3  # times the processor time of a record alone: some millionths, which a busy machine doubles
_PATIENCE = 570.0
_ROOT = Path(__file__).parents[2]
_CRAFT = str(Path(sys.executable).with_name("craft"))


def live_tail(times: int, place: Path) -> Outcome:
    """One log of so many records."""
    outcome, broken = Outcome(), list[str]()
    alone = _ended(_start("write", _a_run(place / "alone"), str(times // 10)))
    folder = _a_run(place / "runs")
    printed = place / "printed.txt"
    writer, reader = _start("write", folder, str(times)), None
    _until(lambda: observe(folder).held)
    with printed.open("wb") as file:
        logs = subprocess.Popen([_CRAFT, "logs", str(folder.path), "--follow"], stdin=subprocess.DEVNULL, stdout=file)
    watch = pexpect.spawn(_CRAFT, ["watch", str(folder.path)], dimensions=(30, 100), timeout=_PATIENCE)
    try:
        reader = _start("read", folder)
        late, watch_peak = 0.0, 0
        while watch.isalive():
            watch_peak = max(watch_peak, _peak(watch.pid))
            _drain(watch)
            if not late and folder.metrics.stat().st_size > times * 80:
                began = time.process_time()
                Follower(folder, only_new=True).look()
                late = time.process_time() - began
        written, read = _ended(writer), _ended(reader)
        logs.wait(_PATIENCE)
    finally:
        for process in (writer, reader, logs):
            if process is not None:
                process.kill()
                process.communicate()
        watch.close(force=True)
    broken += _what_is_wrong(folder, written, read, printed, watch)
    peaks = {"readers": read["megabytes"], "`craft watch`": watch_peak}
    broken += [f"{who} took {most} MB" for who, most in peaks.items() if most > _MEGABYTES]
    us, us_alone = (1e6 * one["processor"] / one["records"] for one in (written, alone))
    if us > _SLOWER * us_alone:
        broken.append(f"a record took {us:.0f} us of a processor, {us_alone:.0f} us unwatched")
    outcome.once(*broken, *_after_a_truncation(folder))
    outcome.notes = f"{times:,} records were written"
    outcome.worst = (
        f"{'; '.join(f'{who} {most} MB' for who, most in peaks.items())}; {late:.2f} s of a processor to begin to look "
        f"on late; a record took its writer {us:.0f} us watched, {us_alone:.0f} us alone"
    )
    return outcome


def _what_is_wrong(
    folder: RunFolder, written: dict[str, Any], read: dict[str, Any], printed: Path, watch: pexpect.spawn[bytes]
) -> list[str]:
    broken = [f"{who}: {words}" for who, words in read["wrong"].items()]
    broken += [
        f"{who} has {count} records of {written['records']}"
        for who, count in read["counts"].items()
        if count != written["records"]
    ]
    whole = MetricsReader(folder.metrics)
    whole.poll()
    if read["curve"] != _fingerprint(*whole.series("train/loss")):
        broken.append("the curve that was followed is not the one that the log holds")
    if read["newest"] != whole.records[-1]["number"]:
        broken.append(f"the newest record is {whole.records[-1]['number']}, followed {read['newest']}")
    if whole.damaged:
        broken.append(f"{whole.damaged} damaged lines")
    lines = printed.read_text().splitlines()
    if lines != folder.log.read_text().splitlines():
        broken.append(f"`craft logs` printed {len(lines)} lines of {written['lines']}")
    if watch.exitstatus != 0:
        broken.append(f"`craft watch` ended with {watch.exitstatus}")
    return broken


def _after_a_truncation(folder: RunFolder) -> list[str]:
    """A log that is cut to nothing and begins anew is read from its beginning by who followed it."""
    reader, curves = LineReader(folder.metrics), CurvesReader(folder.metrics, ["train/loss"])
    for _ in reader.stream():
        pass
    curves.poll()
    os.truncate(folder.metrics, 0)
    with folder.metrics.open("ab") as file:
        file.write(b"".join(encode_line(_record(number, number)) for number in range(5)))
    found = [record["number"] for record in reader.poll()]
    curves.poll()
    steps = list(curves.curve("train/loss")[0])
    return [] if found == steps == [0, 1, 2, 3, 4] else [f"cut and begun anew, {found} is read, and {steps} drawn"]


def _a_run(place: Path) -> RunFolder:
    return create_run(place, experiment="long", definition_toml="craft = 1\n", identity=RunIdentity("long"))


def _record(number: int, step: int) -> dict[str, Any]:
    figures = {"train/loss": 5 / (step + 1), "train/lr": 0.02, "train/grad_norm": 0.7, "train/tokens_per_second": 2e4}
    return {"step": step, "time": step / 1000, "tokens": step * 768, "number": number, **figures}


def _fingerprint(steps: Sequence[float], values: Sequence[float | None]) -> int:
    return zlib.crc32(
        array("d", steps).tobytes() + array("d", (math.nan if v is None else v for v in values)).tobytes()
    )


# Processes of their own -------------------------------------------------------------------------------------------


def _start(what: str, folder: RunFolder, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", __name__, what, str(folder.path), *words]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=_ROOT)


def _ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, said
    told: dict[str, Any] = json.loads(said)
    return told


def _write(folder: RunFolder, records: int) -> dict[str, Any]:
    """What a worker writes, as fast as it can, and what a full disk and a resume do to it."""
    with hold_run_lock(folder):
        status = StatusWriter(folder)
        status.write(phase="running", max_steps=records, progressed=True)
        log, step = MetricsLog(folder), 0
        lines = 0
        began = time.thread_time()
        with folder.log.open("a", buffering=1) as said:
            for number in range(records):
                step += 1
                if number % _GOES_BACK == _GOES_BACK - 1:
                    step -= 25
                    log.resumed(step - 1)
                if number % _TAKEN_BACK == 7:
                    _take_back(log, _record(number, step))
                if number % _TORN == 3:
                    _in_two_pieces(log, _record(number, step))
                else:
                    log.append(_record(number, step))
                if number % _SAID == 0:
                    lines += 1
                    said.write(f"step {step} \N{GREEK SMALL LETTER PI}\n")
                if number % 20_000 == 0:
                    status.write(step=step, progressed=True)
        used = time.thread_time() - began
        log.close()
        status.write(phase="finished", step=step, progressed=True, durable=True)
    return {"records": records, "lines": lines, "processor": used}


def _in_two_pieces(log: MetricsLog, record: dict[str, Any]) -> None:
    line, lines = encode_line(record), log._lines
    os.write(lines._descriptor, line[:50])
    time.sleep(0.001)
    os.write(lines._descriptor, line[50:])
    lines._end += len(line)
    lines._dirty.set()


def _take_back(log: MetricsLog, record: dict[str, Any]) -> None:
    os.write(log._lines._descriptor, encode_line(record)[:70])
    time.sleep(0.001)
    os.ftruncate(log._lines._descriptor, log._lines._end)


def _read(folder: RunFolder) -> dict[str, Any]:
    """All ways to follow, in one process; each look at its own pace."""
    plain, curves, follower = LineReader(folder.metrics), CurvesReader(folder.metrics, ["train/loss"]), Follower(folder)
    counts = {"a reader of lines": 0, "a follower": 0}
    wrong: dict[str, str] = {}

    def take(who: str, records: Iterable[dict[str, Any]]) -> None:
        for record in records:
            if "number" not in record:
                continue
            if record["number"] != counts[who]:
                wrong.setdefault(who, f"record {record['number']} comes after {counts[who] - 1}")
            counts[who] = record["number"] + 1

    ended = False
    while True:
        last = ended
        news = follower.look()
        ended = news.has_ended
        take("a follower", news.records)
        take("a reader of lines", plain.stream())
        curves.poll()
        if last:
            break
        time.sleep(0.05)
    return {
        "counts": counts,
        "wrong": wrong,
        "curve": _fingerprint(*curves.curve("train/loss")),
        "newest": follower.metrics.records[-1]["number"],
        "megabytes": _peak(os.getpid()),
    }


def _peak(pid: int) -> int:
    """Most megabytes of a process that were resident at once; 0 when it has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1000 for line in lines if line.startswith("VmHWM")), 0)


def _drain(watch: pexpect.spawn[bytes]) -> None:
    with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
        watch.read_nonblocking(1 << 16, timeout=0.2)


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.005)


LIVE_TAIL = Fault(
    name="live-tail",
    what="A log of 1,000,000 records followed by readers, `craft watch` and `craft logs -f` while it is written as "
    "fast as it can be, with lines in two pieces, lines taken back, and resumes; then cut to nothing",
    promise=f"No record missed, doubled or out of order, the curve is the log's, under {_MEGABYTES} MB a process, "
    f"and a record takes its writer less than {_SLOWER} times the processor time that it takes unwatched",
    times=1_000_000,
    run=live_tail,
    size_in="records",
    stands_in="the writer is no worker: it writes records through the log that workers use, without a model between",
)


if __name__ == "__main__":
    what, path, *words = sys.argv[1:]
    run_folder = RunFolder(Path(path))
    print(json.dumps(_write(run_folder, int(words[0])) if what == "write" else _read(run_folder)))
