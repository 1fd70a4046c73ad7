"""Linear layers laid out for generation: weights packed once, and as few bytes of them as their precision allows.

Writing one token reads every weight once, so on a CPU its speed is that of memory. torch's own product of a single row
reaches a third of that; oneDNN's, over weights in the layout that it asks for, most of it, and int8 weights are a
quarter of the bytes (docs/measurements.md).

Letters: N outputs, K inputs.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from craft.errors import UsageError
from craft.models.base import LanguageModel

Precision = Literal["fp32", "bf16", "int8"]
"""Of the weights. int8 is a whole number from -127 to 127 for each weight and a bf16 scale for each output; what goes
through the layers is bf16 then."""

COMPUTE = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.bfloat16}
# The rows that the layout is made for. It serves any number; made for one row, it is half as fast for several.
_ROWS = 64
# torch's int8 product takes this many inputs at once, and reads beyond the end where they are fewer.
_INT8_INPUTS = 64
# fp32 weights below this number stay as they are: starting oneDNN's product takes longer than a small one of torch's.
_SMALL = 1 << 16


@lru_cache(maxsize=2)
def can_pack(dtype: torch.dtype) -> bool:
    """Whether oneDNN takes packed weights of this dtype here. Its operations are those that torch.compile uses."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        rows = torch.ones(2, 32, dtype=dtype)
        packed = torch.ops.mkldnn._reorder_linear_weight(rows, _ROWS)
        return bool((torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], "") == 32).all())
    except (RuntimeError, AttributeError):  # built without, or a torch that calls them otherwise
        return False


class PackedLinear(nn.Module):
    """A linear layer for generation alone. x: (..., K) -> (..., N), in the dtype that `COMPUTE` names."""

    def __init__(self, weight: Tensor, bias: Tensor | None, precision: Precision) -> None:
        """weight: (N, K)."""
        super().__init__()
        weight = weight.detach()
        self.out_features, self.in_features = weight.shape
        self.dtype = COMPUTE[precision]
        self.bias = None if bias is None else bias.detach().to(self.dtype)
        self.scales: Tensor | None = None
        self.packs = False
        self._missing = -self.in_features % _INT8_INPUTS
        if precision == "int8":
            largest = weight.float().abs().amax(dim=1).clamp(min=1e-12)  # (N,)
            self.scales = (largest / 127).to(self.dtype)
            whole = (weight.float() / self.scales.float()[:, None]).round().clamp(-127, 127)
            self.weight = F.pad(whole.to(torch.int8), (0, self._missing))  # (N, K), K a multiple of _INT8_INPUTS
        elif weight.device.type == "cpu" and can_pack(self.dtype) and (weight.numel() >= _SMALL or precision == "bf16"):
            self.packs = True
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(self.dtype).contiguous(), _ROWS)
        else:
            self.weight = weight.to(self.dtype)

    @property
    def num_bytes(self) -> int:
        """Of the weights."""
        size = self.dtype.itemsize if self.scales is None else 1
        return self.out_features * self.in_features * size

    def forward(self, x: Tensor) -> Tensor:
        """x W^T + b."""
        return self._pointwise(x, "none", "") if self.packs else self._plain(x)

    def gelu(self, x: Tensor, form: str) -> Tensor:
        """GELU of x W^T + b. form: "tanh", or "none" for the exact one."""
        return self._pointwise(x, "gelu", form) if self.packs else F.gelu(self._plain(x), approximate=form)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + x W^T + b. residual: (..., N)."""
        if self.packs:
            made: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
            return made
        return self._plain(x).add_(residual)

    def _pointwise(self, x: Tensor, function: str, form: str) -> Tensor:
        x = x if x.dtype == self.dtype else x.to(self.dtype)
        made: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, self.weight, self.bias, function, [], form)
        return made

    def _plain(self, x: Tensor) -> Tensor:
        x = x if x.dtype == self.dtype else x.to(self.dtype)
        if self.scales is None:
            return F.linear(x, self.weight, self.bias)
        if x.ndim != 2:
            return self._plain(x.flatten(0, -2)).view(*x.shape[:-1], self.out_features)
        made = torch._weight_int8pack_mm(F.pad(x, (0, self._missing)) if self._missing else x, self.weight, self.scales)
        return made if self.bias is None else made.add_(self.bias)


def choose_precision(wanted: str, device: torch.device) -> tuple[Precision, str]:
    """The precision of the weights for generation that "auto", or a set one, means on a device, and why.

    Raises UsageError for one that there is not.
    """
    match wanted:
        case "auto" if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
            return "bf16", "precision bf16: this GPU computes it at full rate"
        case "auto":
            return "fp32", "precision fp32: the weights as they were trained"
        case "int8" if device.type != "cpu":
            raise UsageError(f"precision int8: it is for the CPU, and the model lies on {device}; take bf16 or fp32")
        case "fp32" | "bf16" | "int8":
            return wanted, f"precision {wanted}: as set"
    raise UsageError(f"precision must be auto, fp32, bf16 or int8, found '{wanted}'")


@torch.inference_mode()
def pack(model: LanguageModel, precision: Precision) -> None:
    """Lay out every linear layer and cell of a model for generation, in place; it can be trained and saved no more.

    Embeddings stay as they are: a token reads one row of them. A network that does something of its own with its
    layers' weights, and gives other logits for it, is left as it was. `choose_precision` says which there are.
    """
    before = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    compute = model.compute_dtype
    sample = torch.arange(min(8, model.context_length), device=model.device)[None] % model.vocab_size  # (1, T)
    wanted = model(sample).logits
    model.compute_dtype = COMPUTE[precision]
    try:
        for name, module in before.items():
            model.set_submodule(name, PackedLinear(module.weight, module.bias, precision))
        model.pack_cells(precision)
        found = model(sample).logits
        # What is off by its precision is off by little: a wrong layer shows as something else altogether.
        fits = bool((found.float() - wanted.float()).abs().max() <= 0.25 * max(1.0, float(wanted.abs().max())))
    except Exception:  # a network of someone's own may look at its layers in any way
        fits = False
    if not fits:
        for name, module in before.items():
            model.set_submodule(name, module)
        model.compute_dtype = compute if precision == "fp32" else COMPUTE[precision]


def num_bytes(model: nn.Module) -> int:
    """Memory that a model holds, packed layers included."""
    tensors = {t.data_ptr(): t.numel() * t.element_size() for t in chain(model.parameters(), model.buffers())}
    return sum(tensors.values()) + sum(m.num_bytes for m in model.modules() if isinstance(m, PackedLinear))
