"""Which checkpoint a sampler takes and keeps: within its memory, while a run trains on, and where files are damaged."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from craft.errors import CheckpointError
from craft.generation.sampler.beside_training import Placement
from craft.generation.sampler.checkpoints_held import CheckpointsHeld
from craft.generation.sampler.requests import CheckpointRef
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.sampler_client import Sampler
from tests.children import wait_until
from tests.generation.sampler.asking import ask, error, result, text_of
from tests.training.runs import definition, kill, make_run, start, wait_for_step, write_text


@pytest.mark.usefixtures("forked_samplers")
def test_what_is_held_stays_within_the_budget(run: str) -> None:
    with Sampler(memory="20KiB") as sampler:  # the model takes 13 KiB
        first = ask(sampler, type="load", checkpoint={"run": run, "at": 30})[-1]["results"][0]
        assert first["evicted"] == [] and 10_000 < first["bytes"] < 20_000
        second = ask(sampler, type="load", checkpoint={"run": run, "at": 40})[-1]["results"][0]
        path = second["provenance"]["path"]
        assert second["evicted"] == [first["provenance"]["path"]]
        held = ask(sampler, type="list")[-1]
        assert [one["step"] for one in held["checkpoints"]] == [40]
        assert held["memory"]["held"] <= held["memory"]["budget"] == 20 << 10
        assert ask(sampler, type="unload", path=path)[-1]["paths"] == [path]
        for other in (path, "x\0", "\ud800", ""):
            assert re.search("is not held|name either", error(sampler, type="unload", path=other))


def test_one_that_is_larger_than_the_budget_or_than_memory(run: str) -> None:
    folder = RunFolder(Path(run))
    held, placement = CheckpointsHeld(1 << 10), Placement("cpu", "")
    found = held.get(CheckpointRef(folder.path, "latest"), placement, "fp32", lambda: False)
    assert found.remarks == [
        "it alone takes 0.0 MiB of memory, more than the 0.0 MiB that checkpoints may take together"
    ]
    assert len(list(held)) == 1
    again = held.get(CheckpointRef(folder.path, "latest"), placement, "fp32", lambda: False)
    assert (again.remarks, again.seconds) == (found.remarks, 0), "it is still so when it is asked again"
    with (checkpoints.step_folder(folder, 30) / "model.safetensors").open("r+b") as weights:
        weights.truncate(1 << 43)  # a file with a hole: terabytes of nothing
    with pytest.raises(CheckpointError, match=r"take 8192\.0 GiB.* of memory are free\. Free some"):
        held.get(CheckpointRef(checkpoints.step_folder(folder, 30)), placement, "fp32", lambda: False)
    assert list(held) == []


def test_latest_stays_what_it_was_unless_it_is_followed(shared: Sampler, run: str) -> None:
    newest = Path(run) / "checkpoints" / "step-00000040"
    newest.rename(Path(run) / "aside")
    ask_latest = {"type": "load", "checkpoint": {"run": run}}
    follow = {"type": "load", "checkpoint": {"run": run, "follow": True}}
    assert result(shared, **ask_latest)["provenance"]["step"] == 35
    (Path(run) / "aside").rename(newest)
    assert result(shared, **ask_latest)["provenance"]["step"] == 35
    assert result(shared, **follow)["provenance"]["step"] == 40


def test_run_folders_resolve_without_verifying_what_is_held(shared: Sampler, run: str) -> None:
    first = result(shared, type="load", checkpoint={"run": run, "at": "best"})
    again = result(shared, type="load", checkpoint={"run": run, "at": "best", "follow": True})
    assert again["seconds"] == 0
    assert first["provenance"]["step"] == checkpoints.best_step(RunFolder(Path(run)))


def test_a_damaged_checkpoint_is_passed_over_or_named(shared: Sampler, run: str) -> None:
    weights = Path(run) / "checkpoints" / "step-00000040" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    latest = result(shared, type="load", checkpoint={"run": run, "follow": True})["provenance"]
    assert latest["step"] == 35
    assert "step 40 is damaged: model.safetensors" in latest["remarks"][0]
    assert "damaged: model.safetensors" in error(shared, type="load", checkpoint={"run": run, "at": 40})
    assert "damaged: model.safetensors" in error(shared, type="load", checkpoint=str(weights.parent))
    for folder in (Path(run) / "checkpoints").glob("step-*"):
        (folder / "manifest.json").unlink()
    assert "every checkpoint is damaged" in error(shared, type="load", checkpoint={"run": run, "follow": True})


def test_what_vanished_is_answered_from_memory_with_a_remark(shared: Sampler, run: str) -> None:
    where = {"checkpoint": str(Path(run) / "checkpoints" / "step-00000035")}
    before = text_of(shared, prompt="a", **where)
    shutil.rmtree(where["checkpoint"])
    after = result(shared, type="generate", prompt="a", **where)
    assert after["texts"][0]["text"] == before
    assert "no longer on disk" in after["provenance"]["remarks"][0]


@pytest.mark.usefixtures("forked_samplers")
def test_a_run_that_trains_is_followed_asked_to_save_and_left_its_cores(tmp_path: Path) -> None:
    endless = definition(
        write_text(tmp_path / "text.txt"),
        training={"max_steps": 100_000_000, "eval_every": 1_000_000},
        checkpoint={"every": 50, "keep": 3},
    )
    folder = make_run(tmp_path / "runs", endless)
    worker = start(folder)
    try:
        wait_for_step(folder, 20, worker)
        with Sampler() as sampler:
            where = {"run": str(folder.path)}
            seen: list[int] = []
            for _ in range(2):
                saved = result(
                    sampler,
                    type="generate",
                    checkpoint={**where, "save_first": True},
                    prompt="a",
                    settings={"max_new_tokens": 3},
                )
                seen.append(saved["provenance"]["step"])
            assert 20 <= seen[0] < seen[1]
            assert saved["provenance"]["threads"] == 1
            assert "one thread at low priority: tiny-001 trains on the CPU" in saved["provenance"]["why_device"]
            assert os.getpriority(os.PRIO_PROCESS, sampler.pid) >= 10
            # It saves every fifty steps and keeps three: what is read vanishes all the time.
            follow = {"type": "load", "checkpoint": {**where, "follow": True}}
            steps = [seen[1]]

            def goes_on() -> bool:
                steps.append(result(sampler, **follow)["provenance"]["step"])
                return steps[-1] > seen[1] + 200

            wait_until(goes_on)
            assert steps == sorted(steps)
            kill(worker)
            assert "does not train now (interrupted" in error(
                sampler, type="load", checkpoint={**where, "save_first": True}
            )
    finally:
        kill(worker)
