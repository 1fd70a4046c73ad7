"""The tab "history": found again, asked again, as a command that writes the same, exported, deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.runs.disk import mounted
from tests.workbench.harness import SmallScreen, play, screen_text, until
from tests.workbench.playground.trained import playground, writing, written
from workbench.memory import project_place
from workbench.screens.playground.history import HistoryMode
from workbench.screens.playground.history_keep import Keeper
from workbench.screens.playground.history_store import History
from workbench.screens.playground.history_text import as_markdown, as_text, command, quoted
from workbench.screens.playground.score import ScoreMode
from workbench.screens.playground.screen import PlaygroundScreen


def history(screen: PlaygroundScreen) -> HistoryMode:
    mode = screen.mode
    assert isinstance(mode, HistoryMode)
    return mode


def record(kind: str = "write", **more: Any) -> dict[str, Any]:
    request = {"type": "generate", "prompt": "it's\n\x1b[0m", "settings": {"seed": 3, "stop": ["\n"]}, "samples": 2}
    provenance = {"path": "/r/a-001/checkpoints/step-00000005", "run": "a-001", "step": 5, "device": "cpu"}
    result = {"checkpoint": 0, "texts": [{"text": "``` | x"}], "provenance": provenance}
    base = {"id": "1", "time": 0.0, "kind": kind, "sources": [{"run": "a-001"}], "request": request}
    return {**base, "results": [result], "reason": "finished", **more}


def test_an_entry_as_a_command() -> None:
    made = command(record(), Path("/r"))
    assert made.startswith("craft generate a-001@5 --runs-dir /r --prompt $'it\\'s\\n\\033[0m' --seed 3 --stop $'\\n'")
    assert made.endswith("--samples 2 --device cpu")
    elsewhere = command(record(), Path("/other"))
    assert "--checkpoint /r/a-001/checkpoints/step-00000005" in elsewhere
    chosen = record(request={"prompt": {"text": "a b", "tokens": [1, 2]}, "settings": {}}, results=[])
    assert command(chosen, Path("/r")) == "craft generate a-001@latest --runs-dir /r --prompt 'a b' --tokens 1,2"
    long = record("score", request={"text": "x" * 200_000}, results=[])
    assert command(long, Path("/r")).endswith("| craft generate a-001@latest --runs-dir /r --score-file /dev/stdin")
    beams = record("beams", request={"prompt": "a", "settings": {"width": 3, "num_results": 2}}, results=[])
    assert command(beams, Path("/r")).endswith("--beams 3 --results 2")
    many = record("batch", request={"prompts": [{"prompt": "a"}, {"prompt": "b c"}], "settings": {}}, results=[])
    assert command(many, Path("/r")).endswith("--prompt a --prompt 'b c'")
    text = "a\tb'c\\d\x1b\u009b\u4e16\n"
    assert subprocess.run(["bash", "-c", f"printf %s {quoted(text)}"], capture_output=True).stdout == text.encode()


def test_an_entry_in_words_keeps_its_text() -> None:
    assert "``` | x" in as_text(record()) and "it's\n\x1b[0m" in as_text(record())
    assert "````text\n``` | x\n````" in as_markdown(record())
    # What another version may have left out is no reason to fail.
    for broken in (
        {"results": [None, {}]},
        {"request": {}},
        {"sources": None},
        {"results": [{"texts": [{"seed": 1}]}]},
    ):
        as_text(record(**broken))
        command(record(**broken), Path("/r"))


def test_what_was_asked_is_asked_again_by_keys_and_by_a_shell(project: Path) -> None:
    async def story() -> str:
        async with playground(project, "tiny-001") as (app, screen, pilot):
            await until(pilot, lambda: screen.prompt == "ab")  # the run's own prompt and settings are there
            screen.prompt = "abc"
            screen.set_settings({"seed": 11, "new_seed": "fixed", "max_new_tokens": 9, "temperature": 0.9})
            await pilot.press("f5")
            await written(screen, pilot)
            pane = writing(screen).pane
            assert pane is not None
            text = pane.branch.text
            mode = await screen.open_tab("score")
            assert isinstance(mode, ScoreMode)
            mode.input.load_text("abc abc")
            await pilot.press("f5")
            await written(screen, pilot)
            mode.input.load_text("")
            screen.prompt = "something else"
            screen.set_settings({"seed": 1, "max_new_tokens": 50, "temperature": 0.1})

            await screen.open_tab("history")
            tab = history(screen)
            await until(pilot, lambda: [one.reason for one in tab.listing.entries] == ["finished"] * 2)
            assert [one.kind for one in tab.listing.entries] == ["score", "write"]
            await until(pilot, lambda: "perplexity" in screen_text(app))
            await pilot.press("j")
            await until(
                pilot, lambda: text in screen_text(app) and "checkpoint of tiny-001, step 40" in screen_text(app)
            )
            await pilot.press("c")
            await until(pilot, lambda: app.clipboard.startswith("craft generate tiny-001@40"))
            line = app.clipboard
            await pilot.press("enter")
            await until(pilot, lambda: screen.prompt == "abc")
            settings = screen.sampling_settings()
            assert settings is not None
            assert (settings.seed, settings.max_new_tokens, settings.temperature) == (11, 9, 0.9)
            await pilot.press("f5")
            await written(screen, pilot)
            assert pane.branch.text == text

            await screen.open_tab("history")
            await pilot.press("slash", *"perplexity")
            await until(pilot, lambda: [one.kind for one in tab.listing.entries] == ["score"])
            await pilot.press("enter", "enter")
            await until(pilot, lambda: isinstance(screen.mode, ScoreMode))
            await until(pilot, lambda: mode.input.text == "abc abc")
            return f"{line}\n{text}"

    found: list[str] = []

    async def kept() -> None:
        found.append(await story())

    play(kept())
    line, text = found[0].split("\n")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", f"{line} --json"],
        capture_output=True,
        text=True,
        cwd=project.parent,
        env=environment,
        timeout=120,
    )
    assert json.loads(done.stdout)["text"] == text, done.stderr


def test_entries_are_found_marked_written_to_files_and_deleted(project: Path, tmp_path: Path) -> None:
    store = History(project_place(project))
    for number in range(30):
        given = record()
        prompt = f"prompt {number} [bold] \x1b[31m"
        store.add(
            "write", {**given["request"], "prompt": prompt}, given["results"], sources=[{"run": "a"}], moment=number
        )
    with store.path.open("ab") as file:
        file.write(b"damaged\n")

    async def story() -> None:
        async with playground(project, "tiny-001", size=SmallScreen) as (app, screen, pilot):
            await screen.open_tab("history")
            tab = history(screen)
            await until(pilot, lambda: "30 entries" in screen_text(app) and "1 damaged line" in screen_text(app))
            await until(pilot, lambda: "prompt 29 [bold] \u241b[31m" in screen_text(app))
            await pilot.press("slash", *"rompt 13", "enter")
            await until(pilot, lambda: "1 of 30 entries" in screen_text(app))
            await pilot.press("delete")
            await until(pilot, lambda: "Delete this entry" in screen_text(app))
            await pilot.press("y")
            await until(pilot, lambda: "0 of 29 entries" in screen_text(app) and "nothing holds" in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: "29 entries" in screen_text(app) and not tab.inside)
            await pilot.press("g", "space", "j", "space")
            out = tmp_path / "some.jsonl"
            await pilot.press("x")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            app.screen.query_one("Input").value = str(out)  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, lambda: out.exists() and out.read_bytes().count(b"\n") == 2)
            prompts = [json.loads(line)["request"]["prompt"] for line in out.read_text().splitlines()]
            assert prompts == ["prompt 29 [bold] \x1b[31m", "prompt 27 [bold] \x1b[31m"]
            # Another workbench asks something meanwhile.
            store.add("score", {"text": "from elsewhere"}, [], sources=[], reason="asked")
            tab.show()
            await until(pilot, lambda: "from elsewhere" in screen_text(app))
            assert "not yet" not in as_text(record())

    play(story())
    assert b"prompt 13 " not in store.path.read_bytes()


def test_one_entry_that_cannot_be_written_loses_no_other(tmp_path: Path) -> None:
    told: list[str] = []
    app: Any = SimpleNamespace(
        project=SimpleNamespace(file=tmp_path / "craft.toml"),
        say=lambda text, severity: told.append(text),
        run_worker=lambda work, **_: None,
    )
    keeper, store = Keeper(app), History(project_place(app.project.file))
    for name, kind in (("1", "no such kind"), ("2", "write")):
        entry = {"kind": kind, "request": {"prompt": "a"}, "results": [], "sources": [], "identifier": name}
        keeper.keep(entry)
    keeper.write()
    store.poll()
    assert [one.id for one in store.entries] == ["2"] and keeper.refused == 1
    assert len(told) == 1 and "waits here" in told[0]
    keeper.keep({**entry, "identifier": "1"})  # its answer takes its place
    keeper.write()
    store.poll()
    assert {one.id for one in store.entries} == {"1", "2"} and keeper.refused == 0


def test_what_was_asked_on_a_full_disk_is_written_once_there_is_room(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [letter + "ab" * 3000 for letter in "abc"]  # longer than what is left of a file's last block

    def known() -> list[tuple[str, str]]:
        store = History(project_place(project))
        store.poll()
        assert store.damaged == 0
        return [(one.prompt[:1], one.reason) for one in reversed(store.entries)]

    with mounted(tmp_path / "disk") as disk:
        monkeypatch.setenv("CRAFT_STATE_DIR", str(disk.path))

        async def story() -> None:
            async with playground(project, "tiny-001") as (app, screen, pilot):

                async def ask(prompt: str) -> None:
                    screen.prompt = prompt
                    await pilot.press("f5")
                    await written(screen, pilot)

                await until(pilot, lambda: screen.prompt == "ab")
                screen.set_settings({"max_new_tokens": 2})
                disk.fill()
                for number, prompt in enumerate(asked[:2], 1):
                    await ask(prompt)
                    await until(pilot, lambda number=number: f"{number} not in the history" in screen_text(app))  # type: ignore[misc]
                told = [note.message for note in app._notifications if "waits here" in note.message]
                assert len(told) == 1 and "no space" in told[0].lower()
                await pilot.press("ctrl+q")
                await until(pilot, lambda: "2 in the playground could not be written" in screen_text(app))
                await pilot.press("n")
                disk.free()
                await until(pilot, lambda: known() == [("a", "finished"), ("b", "finished")])
                await until(pilot, lambda: "not in the history" not in screen_text(app))
                # Where it gets room only when nothing looks any more, it is written at the end.
                monkeypatch.setattr(screen.keeper, "try_again", lambda: None)
                disk.fill()
                await ask(asked[2])
                await until(pilot, lambda: screen.keeper.refused == 1)
                disk.free()
                app.clear_notifications()

        play(story())
        assert known() == [(letter, "finished") for letter in "abc"]
