"""What a person chose in the workbench, kept for the next time in the user's state directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from craft import platform


@dataclass
class Settings:
    """Choices and their first values."""

    theme: str = "craft-dark"
    log_scale: bool = False


def load_settings() -> Settings:
    """The last choices; the first values for whatever is missing, damaged or of another type."""
    settings = Settings()
    try:
        stored = json.loads(_path().read_bytes())
    except (OSError, ValueError):
        return settings
    if isinstance(stored, dict):
        for field in fields(Settings):
            value = stored.get(field.name)
            if type(value) is type(getattr(settings, field.name)):
                setattr(settings, field.name, value)
    return settings


def save_settings(settings: Settings) -> None:
    """Keep them; a state directory that cannot be written is no reason to trouble anyone."""
    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(_path(), json.dumps(asdict(settings), indent=1).encode())
    except OSError:
        return


def _path() -> Path:
    return platform.state_dir() / "workbench.json"
