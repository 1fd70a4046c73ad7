"""The tab "batch": each prompt has its text or its own fault, a stop loses nothing, and files say what craft's do."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest

from craft.errors import UsageError
from craft.generation.checkpoint import load_checkpoint
from craft.generation.writing import Prompt, Writing
from craft.runs.sampling_settings import SamplingSettings
from tests.workbench.harness import play, screen_text, until
from tests.workbench.playground.trained import playground, written
from workbench.memory import project_place
from workbench.screens.playground import batch_export
from workbench.screens.playground.batch import BatchMode
from workbench.screens.playground.batch_work import AT_ONCE, BatchWork, read_prompts, typed_prompts
from workbench.screens.playground.history_store import History
from workbench.screens.playground.screen import PlaygroundScreen

PLAIN = SamplingSettings()


def answer(work: BatchWork, identifier: str, request: dict[str, Any]) -> dict[str, Any]:
    """As a sampler does that cannot read a q."""
    texts = [one if isinstance(one, str) else one["text"] for one in request["prompts"]]
    if any("q" in text for text in texts):
        return {"type": "error", "kind": "TokenizerError", "message": f"q in {[t for t in texts if 'q' in t]}"}
    made = [
        {"prompt": place, "sample": sample, "text": text.upper(), "tokens": 1, "ended": "length"}
        for place, text in enumerate(texts)
        for sample in range(request["samples"])
    ]
    return {"type": "done", "results": [{"checkpoint": 0, "texts": made}]}


def work_off(work: BatchWork, most: int = 10_000) -> int:
    """Answer everything that is asked; how many requests there were."""
    for number in range(most):
        chunk = work.next_chunk()
        if chunk is None:
            return number
        work.asked(str(number), chunk)
        work.take(str(number), {"type": "loaded", "provenance": {"path": f"source {chunk.source}"}})
        work.take(str(number), answer(work, str(number), work.request(chunk)))
    return most


def test_a_fault_is_its_own_prompts_only() -> None:
    words = [f"w{number}" if number not in (3, 40, 41) else f"q{number}" for number in range(100)]
    work = BatchWork(typed_prompts("\n".join(words), PLAIN), samples=2, sources=2)
    requests = work_off(work)
    assert work.over and work.failed == 3 * 2 * 2 and work.finished == 400 - 12
    assert requests < 100, "those that can be written are written together"
    for row in work.rows:
        if "q" in row.line.prompt:
            assert row.state == "failed" and row.error == f"q in ['{row.line.prompt}']"
        else:
            assert (row.state, row.text, row.seed) == ("done", row.line.prompt.upper(), row.sample)
    assert [one["path"] for one in work.provenances] == ["source 0", "source 1"]


def test_the_first_answer_names_the_checkpoint_of_all_others() -> None:
    work = BatchWork(typed_prompts("\n".join("abcdefghijklmnopqrstuvwxyz" * 2), PLAIN), samples=1, sources=2)
    first = work.next_chunk()
    assert first is not None and len(first.places) == AT_ONCE
    work.asked("a", first)
    assert work.next_chunk() is None, "which checkpoint it is is not known yet"
    work.take("a", {"type": "loaded", "provenance": {"path": "p"}})
    second = work.next_chunk()
    assert second is not None
    work.asked("b", second)
    assert work.next_chunk() is None, "two are enough"


def test_a_fault_of_the_whole_ends_it_and_keeps_what_came() -> None:
    work = BatchWork(typed_prompts("\n".join("ab" * 40), PLAIN), samples=1)
    chunk = work.next_chunk()
    assert chunk is not None
    work.asked("a", chunk)
    work.take("a", {"type": "loaded", "provenance": {"path": "p"}})
    work.take("a", {"type": "pieces", "pieces": [{"prompt": 1, "sample": 0, "text": "half"}]})
    work.take("a", {"type": "error", "kind": "SamplerEnded", "message": "it was killed"})
    assert work.over and work.fault == "it was killed" and work.failed == 0
    assert [row.text for row in batch_export.written(work)] == ["half"]


def test_files_of_prompts_are_read_as_the_command_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(
        '{"prompt": "a", "id": 7, "seed": 3}\n\n{"prompt": "b", "tokens": [1], "top_k": 5}\n{"prompt": "c"}\n'
    )
    lines = read_prompts(file, PLAIN)
    assert [(line.prompt, line.id, line.settings.seed, line.settings.top_k) for line in lines] == [
        ("a", 7, 3, 0),
        ("b", None, 0, 5),
        ("c", None, 0, 0),
    ]
    work = BatchWork(lines, samples=1)
    assert work_off(work) == 3, "each has settings of its own"
    record = work.prompts_record()
    assert record[1]["tokens"] == [1] and record[1]["settings"]["top_k"] == 5
    with pytest.raises(UsageError, match="more than 2 prompts"):
        read_prompts(file, PLAIN, most=2)
    with pytest.raises(UsageError, match=r"prompts.jsonl:1: .*no setting"):
        file.write_text('{"prompt": "a", "temprature": 1}')
        read_prompts(file, PLAIN)


def test_exports_hold_what_came_whatever_it_is() -> None:
    work = BatchWork(typed_prompts('=1+1,"x"\nq\n```\n\x1b[31mred', PLAIN), samples=1)
    work_off(work)
    records = [json.loads(line) for line in batch_export.as_jsonl(work).splitlines()]
    assert [one["text"] for one in records] == ['=1+1,"X"', None, "```", "\x1b[31MRED"]
    assert records[1]["error"] == "q in ['q']" and records[0]["checkpoint"] == "source 0"
    assert records[0]["temperature"] == 1.0 and records[0]["seed"] == 0
    rows = list(csv.DictReader(io.StringIO(batch_export.as_csv(work, ["a@1"]).decode(), newline="")))
    assert [row["text"] for row in rows] == ['=1+1,"X"', "", "```", "\x1b[31MRED"]
    assert "````text\n```\n````" in batch_export.as_markdown(work, ["a@1"]).decode()


def batch(screen: PlaygroundScreen) -> BatchMode:
    mode = screen.mode
    assert isinstance(mode, BatchMode)
    return mode


def test_prompts_are_written_after_failed_exported_and_kept(project: Path, tmp_path: Path) -> None:
    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            await screen.open_tab("batch")
            mode = batch(screen)
            screen.set_settings({"samples": 2, "max_new_tokens": 6, "seed": 5, "new_seed": "fixed", "temperature": 0.7})
            await pilot.press("f5")
            await until(pilot, lambda: "type prompts first" in screen_text(app))
            mode.lines.load_text("ab\nXYZ\n\ncd ef\n[bold]")
            await pilot.press("f5")
            await until(pilot, lambda: mode.work.over and mode.work.total == 8, within=60)
            await until(pilot, lambda: "done: 8 of 8 texts, 4 failed" in screen_text(app))
            settings = screen.sampling_settings()
            assert settings is not None
            loaded = load_checkpoint(project.parent / "runs" / "tiny-001")
            writing = Writing(loaded.model, loaded.tokenizer, [Prompt("ab"), Prompt("cd ef")], settings, samples=2)
            assert all(writing)
            expected = {(text.prompt, text.sample): text.text for text in writing.texts}
            rows = mode.work.rows
            assert [row.text for row in rows if row.line.prompt == "ab"] == [expected[0, 0], expected[0, 1]]
            assert [row.text for row in rows if row.line.prompt == "cd ef"] == [expected[1, 0], expected[1, 1]]
            assert "'X'" in rows[2].error and rows[2].state == "failed"
            await until(pilot, lambda: "[bold]" in screen_text(app))

            out = tmp_path / "texts.csv"
            out.write_text("mine")
            mode.focus_first()
            for answer_key in ("n", "y"):
                await pilot.press("x")
                await until(pilot, lambda: len(app.screen_stack) == 2)
                app.screen.query_one("Input").value = str(out)  # type: ignore[attr-defined]
                await pilot.press("enter")
                await until(pilot, lambda: "Replace the file" in screen_text(app))
                await pilot.press(answer_key)
                await until(pilot, lambda: len(app.screen_stack) == 1)
                if answer_key == "n":
                    assert out.read_text() == "mine"
            await until(pilot, lambda: out.read_text() != "mine")
            rows_of_file = list(csv.DictReader(io.StringIO(out.read_text(), newline="")))
            assert [row["text"] for row in rows_of_file][:2] == [expected[0, 0], expected[0, 1]]

            history = History(project_place(project))
            await until(pilot, lambda: history.poll() or history.entries[0].reason == "finished")
            record = history.read(history.entries[0])
            assert record["results"][0]["texts"][0]["text"] == expected[0, 0]
            assert record["request"]["settings"] == json.loads(json.dumps(dataclasses.asdict(settings)))

    play(story())


def test_a_stop_keeps_what_is_done(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("\n".join(["ab", "cd"] * 400))

    async def story() -> None:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            await screen.open_tab("batch")
            mode = batch(screen)
            screen.set_settings({"max_new_tokens": 30})
            await pilot.press("ctrl+o")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press(*"nowhere.txt", "enter")
            await until(pilot, lambda: "no such file" in screen_text(app))
            app.screen.query_one("Input").value = str(file)  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            await pilot.press("f5")
            await until(pilot, lambda: mode.work.finished >= 16, within=60)
            await pilot.press("escape")
            await written(screen, pilot)
            work = mode.work
            assert work.over and work.stopped and 16 <= work.finished < 800
            assert {row.state for row in work.rows} <= {"done", "stopped"}
            assert all(row.text and row.tokens == 30 for row in work.rows if row.state == "done")
            await until(pilot, lambda: "stopped:" in screen_text(app))
            # What stands there is still of this file when another is chosen.
            mode._take_file(str(tmp_path / "another.txt"))
            mode._say()
            await until(pilot, lambda: "800 texts of many.txt" in screen_text(app))
            assert " next: another.txt " in screen_text(app) and " file " not in screen_text(app)
            history = History(project_place(project))
            await until(pilot, lambda: history.poll() or history.entries[0].reason == "cancelled")
            entry = history.entries[0]
            kept = [one for one in history.read(entry)["results"][0]["texts"] if one["ended"] != "cancelled"]
            assert len(kept) == work.finished and entry.count == 800

    play(story())
