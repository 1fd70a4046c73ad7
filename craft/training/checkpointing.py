"""Everything that must survive a restart, and its way to disk and back.

A checkpoint holds `model.safetensors` (weights and nothing about the run: equal weights, equal files),
`training.safetensors` (every other tensor), `training.json` (every other value), the definition and the tokenizer.
No pickle.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from craft.errors import CheckpointError
from craft.models.weights import load_weights, save_tensors, save_weights
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.training.ema import NoAverage
from craft.training.inherited import Inherited, require_tokenizer

TENSORS, VALUES = "training.safetensors", "training.json"
_SPARED_SECONDS = 60.0


class Stateful(Protocol):
    """Something with a state of plain JSON values."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state: Any) -> None: ...


class TensorState(Protocol):
    """Something with a state of named tensors."""

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None: ...


class RandomStates:
    """The generators of Python, NumPy, torch and the GPU, as tensors and JSON values."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def state_dict(self) -> dict[str, Tensor]:
        """The generators' states as byte and word tensors."""
        _, words, gauss = random.getstate()
        _, keys, position, has_gauss, cached_gauss = np.random.get_state(legacy=True)
        states = {
            "python": torch.tensor(words, dtype=torch.int64),
            "numpy": torch.from_numpy(np.append(np.asarray(keys, dtype=np.int64), int(position))),
            "torch": torch.get_rng_state(),
            # Both make Gaussian numbers in pairs and keep the second; NaN where none is kept.
            "gauss": torch.tensor(
                [math.nan if gauss is None else gauss, float(cached_gauss) if has_gauss else math.nan],
                dtype=torch.float64,
            ),
        }
        if self.device.type == "cuda":
            states["device"] = torch.cuda.get_rng_state(self.device)
        elif self.device.type == "mps":
            states["device"] = torch.mps.get_rng_state()
        return states

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Put the generators back."""
        gauss, numpy_gauss = (None if math.isnan(kept) else kept for kept in saved["gauss"].tolist())
        random.setstate((3, tuple(saved["python"].tolist()), gauss))
        words = saved["numpy"].numpy()
        np.random.set_state(
            ("MT19937", words[:-1].astype(np.uint32), int(words[-1]), int(numpy_gauss is not None), numpy_gauss or 0.0)
        )
        torch.set_rng_state(saved["torch"])
        if "device" in saved and self.device.type == "cuda":
            torch.cuda.set_rng_state(saved["device"], self.device)
        elif "device" in saved and self.device.type == "mps":
            torch.mps.set_rng_state(saved["device"])


class CheckpointManager:
    """Saves and restores the named parts of a run.

    `tensors` and `values` are the one list of what survives a restart; a part that is left out of them is lost.
    """

    def __init__(
        self,
        folder: RunFolder,
        model: nn.Module,
        tensors: dict[str, TensorState],
        values: dict[str, Stateful],
        *,
        keep: int,
        mode: str,
        monitor: str,
        save_tokenizer: Callable[[Path], None],
    ) -> None:
        self.folder, self.model, self.tensors, self.values = folder, model, tensors, values
        self.keep, self.mode, self.monitor, self.save_tokenizer = keep, mode, monitor, save_tokenizer
        self.inherited: Inherited | None = None
        """What a fork makes of the checkpoint that it has from its parent."""
        self._spared: dict[int, float] = {}
        self._began_anew = False

    def save(self, step: int, monitored: float | None) -> Path:
        """Force the whole state to disk as the checkpoint of `step`. Raises OSError, the earlier ones untouched."""

        def write(path: Path) -> None:
            save_weights(self.model, path)
            flat = {
                f"{part}/{name}": tensor.detach().cpu().contiguous()
                for part, owner in self.tensors.items()
                for name, tensor in owner.state_dict().items()
            }
            save_tensors(flat, path / TENSORS)
            (path / VALUES).write_text(
                json.dumps({part: owner.state_dict() for part, owner in self.values.items()}, indent=1)
            )
            (path / "experiment.toml").write_bytes(self.folder.definition.read_bytes())
            self.save_tokenizer(path)

        path = checkpoints.commit_checkpoint(
            self.folder, step, write, monitor_value=monitored, mode=self.mode, monitor=self.monitor
        )
        now = time.monotonic()
        self._spared = {step: until for step, until in self._spared.items() if until > now}
        checkpoints.prune(self.folder, self.keep, self._spared)
        return path

    def spare(self, step: int) -> None:
        """Let the checkpoint of `step` stay for a minute, however many follow: who asked for it has yet to read it."""
        self._spared[step] = time.monotonic() + _SPARED_SECONDS

    def restore(self, path: Path, device: torch.device) -> None:
        """Put the state of a verified checkpoint back. Raises CheckpointError when it does not fit."""
        own = self.inherited if self.inherited is not None and self.inherited.is_at(path) else None
        if own is not None:
            require_tokenizer(path, self.save_tokenizer, self.folder)
        load_weights(self.model, path, device)
        try:
            flat = load_file(path / TENSORS, device="cpu")
            values = json.loads((path / VALUES).read_text())
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"{path}: the training state does not load: {error}") from error
        anew: frozenset[str] = frozenset()
        if own is not None:
            anew, values = own.anew, own.as_own(values)
            self._require_untouched(path, anew)
        for part, owner in self.tensors.items():
            prefix = f"{part}/"
            saved = {n.removeprefix(prefix): t for n, t in flat.items() if n.startswith(prefix)}
            if part not in anew:
                owner.load_state_dict(saved)
            elif part == "ema":
                NoAverage(self.model).load_state_dict(saved)  # the average begins with what is trained
                owner.load_state_dict({})
        if own is not None and "random" in anew:
            own.begin_random()
        for part, owner in self.values.items():
            if part in anew or (part not in values and not owner.state_dict()):
                continue  # the second: one of an earlier Craft, which knew no such part, and nothing to put back
            if part not in values:
                raise CheckpointError(f"{path / VALUES}: '{part}' is missing")
            owner.load_state_dict(values[part])

    def _require_untouched(self, path: Path, anew: frozenset[str]) -> None:
        """A part that starts anew is as it was made, which holds once: after steps nobody knows what it was."""
        if anew and self._began_anew:
            raise CheckpointError(
                f"{path}: the fork's own state of this step could not be saved, so it cannot go back to it while it "
                "trains; a resume can"
            )
        self._began_anew = True
