from __future__ import annotations

import json
from pathlib import Path

from craft.analysis.facts import RunFacts
from craft.analysis.filters import parse_filter
from craft.runs.notes import change_notes
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore
from tests.training import runs as training


def test_a_run_is_asked_for_figures_settings_and_metrics(tmp_path: Path) -> None:
    config = training.definition(tmp_path / "text.txt", optimizer={"type": "adamw", "lr": 0.003})
    folder = training.make_run(tmp_path / "runs", config, "wide")
    StatusWriter(folder).write(phase="finished", step=40, tokens=2560, val_loss=1.8, best=1.7)
    with folder.metrics.open("w") as file:
        file.writelines(
            json.dumps({"step": step, "time": 1.0, "train/grad_norm": step / 10}) + "\n" for step in range(9)
        )
        file.write('{"step": 9, "time": 1.0, "train/grad_')
    (run,) = RunStore(tmp_path / "runs").list()
    change_notes(folder, star=True, note="the one to beat", add=["baseline", "keep"])
    facts = RunFacts(run)
    assert facts("val/loss") == 1.8 and facts("best") == 1.7 and facts("phase") == "finished"
    assert facts("optimizer.lr") == facts("lr") == 0.003
    assert facts("training.batch_size") == 4 and facts("hidden_size") == 16
    assert facts("type") is None, "many paths end so"
    assert facts("train/grad_norm") == 0.8 and facts("train/no_such") is None
    assert facts("nonsense") is None and facts("eta") is None
    assert parse_filter("keep beat star = true tag ~ base val/loss < 1.9 and lr > 1e-3 and step = 40 age < 1w").holds(
        facts
    )
    assert not parse_filter("lr > 1e-2").holds(facts)


def test_a_run_without_files_says_nothing(tmp_path: Path) -> None:
    folder = training.make_run(tmp_path / "runs", training.definition(tmp_path / "text.txt"), "bare")
    folder.definition.write_text("not [ toml")
    (run,) = RunStore(tmp_path / "runs").list()
    facts = RunFacts(run)
    assert facts("lr") is None and facts("train/lr") is None
    assert parse_filter("bare phase = queued").holds(facts)
