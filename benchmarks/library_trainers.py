"""What runs in the processes of benchmarks.trainers: a model in a library's trainer, held after every round.

Letters: B batch, T time.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.train_speed import GPT2, definition, run_craft
from benchmarks.turns import CLOCK, SEED, Size, say, told_to_go

# The most steps that any of them takes; they are ended long before.
ENDLESS = 10**6

OWN, THEIRS, EAGER = "Craft's model", "transformers' GPT-2", "transformers' GPT-2 with eager attention"


class Contender(NamedTuple):
    """Who trains what in which arithmetic."""

    trainer: str
    precision: str
    model: str = OWN
    compiled: bool = False

    @property
    def name(self) -> str:
        """How the table calls it."""
        model = "" if self.trainer == "Craft" else f"{self.model}, "
        return f"{self.trainer}, {model}{self.precision}{', compiled' if self.compiled else ''}"

    @property
    def is_documented(self) -> bool:
        """Whether the settings are the library's own."""
        return self.precision != "model's bf16"


class Held:
    """Ends a round every so many steps, and waits to be told to go on; the first step is in no round."""

    def __init__(self, steps: int, loss: Callable[[], float]) -> None:
        self.steps, self.loss = steps, loss
        self.done, self.started = -1, 0.0

    def after_step(self) -> None:
        """Count a step."""
        self.done += 1
        if self.done % self.steps:
            return
        say(seconds=CLOCK() - self.started if self.done else 0.0)
        if not told_to_go():
            say(loss=self.loss())
            os._exit(0)
        self.started = CLOCK()


class Rows:
    """Windows of a row of tokens, from every place; a whole batch is one gather."""

    def __init__(self, tokens: Any, context: int, names: tuple[str, ...]) -> None:
        import numpy as np

        self.windows = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)
        self.names = names

    def __len__(self) -> int:
        return len(self.windows)

    def __getitems__(self, places: list[int]) -> dict[str, Any]:
        import numpy as np
        import torch

        rows = torch.from_numpy(self.windows[places].astype(np.int64))  # (B, T + 1)
        # transformers shift labels unless they are given shifted.
        inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
        return {name: inputs if name == "input_ids" else targets for name in self.names}


def as_it_is(batch: Any) -> Any:
    """What puts a batch together: `Rows` has done it."""
    return batch


class Prepared(NamedTuple):
    """What a library's trainer is given."""

    model: Any
    rows: Rows
    held: Held


def prepare(text: Path, size: Size, contender: Contender) -> Prepared:
    """The tokens and the model that Craft would train."""
    import torch

    from craft.data import EvalWindows
    from craft.data import prepare as prepare_text
    from craft.models import create_model_from_config

    config = definition(text, size, {"precision": "fp32", "model": GPT2})
    data = prepare_text(config)
    vocab_size = data.tokenizer.vocab_size
    torch.manual_seed(SEED)
    names: tuple[str, ...] = ("input_ids", "labels")
    if contender.model != OWN:
        model: Any = library_gpt2(size, vocab_size, "eager" if contender.model == EAGER else "sdpa")
        names = (*names, "shift_labels")
    else:
        model = wrapped(create_model_from_config(config.model, vocab_size, size.context, search=None))
        if contender.precision == "model's bf16":
            model.network.compute_dtype = torch.bfloat16

    @torch.no_grad()
    def whole_split_loss() -> float:
        windows, nats = EvalWindows(data.splits["val"], size.context), 0.0
        model.eval()
        autocast = torch.autocast("cpu", torch.bfloat16) if contender.precision == "bf16" else contextlib.nullcontext()
        with autocast:
            for inputs, targets in windows:
                logits = model(input_ids=inputs)["logits"].float().flatten(0, 1)
                nats += float(torch.nn.functional.cross_entropy(logits, targets.flatten(), reduction="sum"))
        return nats / windows.num_tokens

    rows = Rows(data.splits["train"].tokens, size.context, names)  # type: ignore[attr-defined]
    return Prepared(model, rows, Held(size.steps, whole_split_loss))


def library_gpt2(size: Size, vocab_size: int, attention: str) -> Any:
    """The transformers library's GPT-2 of that size, its GELU in one kernel."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocab_size,
            n_positions=size.context,
            n_embd=size.width,
            n_layer=size.layers,
            n_head=size.heads,
            attn_implementation=attention,
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def wrapped(network: Any) -> Any:
    """Craft's model as the libraries want one: names for what comes in, and a dictionary that goes out."""
    from torch import nn

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, labels: Any = None) -> dict[str, Any]:
            output = self.network(input_ids, labels)
            return {"logits": output.logits} if labels is None else {"loss": output.loss}

    return Wrapped()


def decayed(model: Any) -> list[dict[str, Any]]:
    """Weight decay on matrices only, as all the others have it."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def run_trainer(text: Path, size: Size, contender: Contender) -> None:
    """Hugging Face's Trainer."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    model, rows, held = prepare(text, size, contender)

    class Holds(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *arguments: Any, **given: Any) -> None:
            held.after_step()

    settings = TrainingArguments(
        output_dir=tempfile.mkdtemp(),  # nothing is written
        use_cpu=True,
        seed=SEED,
        max_steps=ENDLESS,
        per_device_train_batch_size=size.batch,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        adam_beta1=0.9,
        adam_beta2=0.95,
        weight_decay=0.1,
        max_grad_norm=1.0,
        bf16=contender.precision == "bf16",
        torch_compile=contender.compiled,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )
    Trainer(model=model, args=settings, train_dataset=rows, data_collator=as_it_is, callbacks=[Holds()]).train()


def run_lightning(text: Path, size: Size, contender: Contender) -> None:
    """Lightning's Trainer."""
    import lightning
    import torch
    from torch.utils.data import DataLoader

    network, rows, held = prepare(text, size, contender)
    if contender.compiled:
        network.compile()

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: dict[str, Any], number: int) -> Any:
            return self.network(**batch)["loss"]

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(decayed(self.network), lr=1e-3, betas=(0.9, 0.95), fused=True)

        def configure_gradient_clipping(self, optimizer: Any, *arguments: Any, **given: Any) -> None:
            # By its own setting Lightning refuses a fused optimizer under autocast.
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)

        def on_train_batch_end(self, *arguments: Any) -> None:
            held.after_step()

    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        precision="bf16-mixed" if contender.precision == "bf16" else "32-true",
        max_steps=ENDLESS,
        barebones=True,
    )
    trainer.fit(Module(), DataLoader(rows, batch_size=size.batch, shuffle=True, collate_fn=as_it_is))  # type: ignore[arg-type]


def run_contender(text: Path, size: Size, contender: Contender) -> None:
    """One contender, until told to end."""
    sys.stdout = sys.stderr
    if contender.trainer == "Craft":
        settings = {"precision": contender.precision, "model": GPT2, "training": {"compile": contender.compiled}}
        run_craft(text, size, settings)
    elif contender.trainer == "Trainer":
        run_trainer(text, size, contender)
    else:
        run_lightning(text, size, contender)
