from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.workbench.runs import make_demo


def test_pictures_of_runs_that_are_there(tmp_path: Path) -> None:
    file = make_demo(tmp_path)
    command = [sys.executable, "-m", "workbench.picture", str(tmp_path / "out"), "--of", str(file)]
    subprocess.run([*command, "--run", "wide-001", "--only", "runs", "light", "experiments"], check=True, timeout=120)
    pictures = {path.stem: path.read_text() for path in (tmp_path / "out").glob("*.svg")}
    assert set(pictures) == {"runs", "light", "experiments"}
    for picture in pictures.values():
        ElementTree.fromstring(picture)
        assert "src:" not in picture and 'url("http' not in picture, "it fetches nothing"
        assert str(tmp_path) not in picture, "no place of this machine"
    words = pictures["runs"].replace("&#160;", " ")
    assert "wide-001" in words and "finished" in words and "train 1.6" in words
    assert pictures["light"] != pictures["runs"]


def test_a_size_that_is_none_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench.picture", str(tmp_path), "--size", "wide"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "120x34" in done.stderr
