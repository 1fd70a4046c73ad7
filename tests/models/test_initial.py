"""First weights from elsewhere: what fits is taken, the rest is named, and nothing in a file is ever run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from craft.config.schema.model import HFConfig, TransformerConfig
from craft.errors import CheckpointError, RunError
from craft.models import LanguageModel, create_model_from_config
from craft.models.initial import load_initial
from craft.models.module import ModuleModel
from craft.models.weights import FILE, save_weights

VOCAB, CONTEXT = 11, 8
GPT2 = {"preset": "gpt2"}


def make(vocab: int = VOCAB, context: int = CONTEXT, seed: int = 0, **settings: Any) -> LanguageModel:
    torch.manual_seed(seed)
    config = TransformerConfig(**{"num_layers": 2, "num_heads": 2, "hidden_size": 16, **settings})
    model = create_model_from_config(config, vocab, context)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)  # zero matrices would hide what is not taken
    return model


def tokens() -> Tensor:
    return torch.randint(VOCAB, (2, CONTEXT), generator=torch.Generator().manual_seed(1))


def test_a_model_takes_all_of_its_like(tmp_path: Path) -> None:
    source, model = make(), make(seed=1)
    save_weights(source, tmp_path)
    report = load_initial(model, str(tmp_path / FILE), runs_dir=tmp_path)
    assert (report.tensors, report.parameters) == (report.all_tensors, model.num_parameters())
    assert not report.misfits
    assert not report.unused
    assert torch.equal(model(tokens()).logits, source(tokens()).logits)
    assert len(report.sha256) == 64


def test_what_does_not_fit_is_named_and_stays_as_it_was(tmp_path: Path) -> None:
    model = make(vocab=13, seed=1, num_layers=3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_weights(make(), tmp_path)
    report = load_initial(model, str(tmp_path / FILE), runs_dir=tmp_path)
    assert report.misfits["token_embedding.weight"] == "its shape is (11, 16) there and (13, 16) here"
    third = {name for name in before if name.startswith("blocks.2.")}
    assert report.misfits.keys() == {"token_embedding.weight", "head.weight"} | third
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name in report.misfits), name
    text = "\n".join(report.lines())
    assert f"{report.tensors} of {report.all_tensors} tensors" in text
    assert "not taken: token_embedding.weight: its shape is (11, 16) there and (13, 16) here" in text


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    save_file({"other": torch.ones(3)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"nothing in .* fits this model: token_embedding.weight: the source has"):
        load_initial(make(), str(tmp_path / "x.safetensors"), runs_dir=tmp_path)


def test_the_first_positions_of_a_longer_model_are_taken(tmp_path: Path) -> None:
    source, model = make(context=2 * CONTEXT, **GPT2), make(seed=1, **GPT2)
    save_weights(source, tmp_path)
    report = load_initial(model, str(tmp_path / FILE), runs_dir=tmp_path)
    assert not report.misfits
    assert "position_embedding.weight: the first 8 of 16 positions" in report.remarks
    assert torch.equal(model(tokens()).logits, source(tokens()).logits)


# nanoGPT and Hugging Face ------------------------------------------------------------------------------------------


def library_gpt2(**settings: Any) -> Any:
    """GPT-2 as the transformers library builds it, with weights that are not at their first values."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        **{"vocab_size": VOCAB, "n_positions": CONTEXT, "n_embd": 16, "n_layer": 2, "n_head": 2, **settings},
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(3)
    model = transformers.GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def as_nanogpt(library: Any) -> dict[str, Any]:
    """The same weights as nanoGPT's checkpoint has them: (outputs, inputs), and the prefix of torch.compile."""
    state = {}
    for name, tensor in library.state_dict().items():
        turned = name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))
        state[f"_orig_mod.{name}"] = tensor.T.contiguous() if turned else tensor
    state["_orig_mod.transformer.h.0.attn.bias"] = torch.ones(1, 1, CONTEXT, CONTEXT).tril()
    return {"model": state, "model_args": {"n_head": 2, "n_layer": 2}, "iter_num": 5, "best_val_loss": torch.ones(())}


def hub_folder(library: Any, folder: Path) -> Path:
    library.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("source", ["nanogpt", "folder", "shards"])
@pytest.mark.parametrize("target", ["transformer", "hf"])
def test_gpt2_computes_the_same_here(tmp_path: Path, source: str, target: str) -> None:
    library = library_gpt2()
    if source == "nanogpt":
        place = tmp_path / "ckpt.pt"
        torch.save(as_nanogpt(library), place)
    else:
        place = tmp_path / "gpt2"
        library.save_pretrained(place, max_shard_size="8KB" if source == "shards" else "1GB")
        assert (place / "model.safetensors.index.json").exists() == (source == "shards")
    if target == "transformer":
        model = make(seed=1, **GPT2)
    else:
        config = HFConfig(num_layers=2, num_heads=2, hidden_size=16)
        model = create_model_from_config(config, VOCAB, CONTEXT)
    report = load_initial(model, str(place), runs_dir=tmp_path)
    assert not report.misfits
    assert not report.unused
    torch.testing.assert_close(model.eval()(tokens()).logits, library(tokens()).logits, rtol=1e-4, atol=1e-4)
    assert any("GELU" in remark for remark in report.remarks) == (target == "transformer" and source == "nanogpt")


def test_gpt2s_weights_are_not_put_into_another_block(tmp_path: Path) -> None:
    place = hub_folder(library_gpt2(), tmp_path / "gpt2")
    with pytest.raises(CheckpointError) as caught:
        load_initial(make(**{**GPT2, "norm": "rmsnorm", "qk_norm": True}), str(place), runs_dir=tmp_path)
    assert 'they fit with model.norm = "layernorm", model.qk_norm = false' in str(caught.value)


def test_another_number_of_heads_is_said(tmp_path: Path) -> None:
    place = hub_folder(library_gpt2(n_head=4), tmp_path / "gpt2")
    report = load_initial(make(**GPT2), str(place), runs_dir=tmp_path)
    assert "its model has 4 heads, this one 2: equal shapes, another meaning" in report.remarks


def test_a_plain_modules_own_file_fits_its_wrapper(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Embedding(VOCAB, 4), nn.Linear(4, VOCAB))
    torch.save(module.state_dict(), tmp_path / "mine.pt")
    again = ModuleModel(nn.Sequential(nn.Embedding(VOCAB, 4), nn.Linear(4, VOCAB)), VOCAB, CONTEXT, called="mine")
    assert load_initial(again, str(tmp_path / "mine.pt"), runs_dir=tmp_path).tensors == 3
    assert torch.equal(again(tokens()).logits, module(tokens()))


# Bad files -----------------------------------------------------------------------------------------------------------


class Harmful:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm-was-done"),))


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a": torch.ones(2)}, "extra": Harmful()}, "bad.pt")
    Path("plain.pt").write_bytes(pickle.dumps(Harmful()))
    for name in ("bad.pt", "plain.pt"):
        with pytest.raises(CheckpointError, match="could run any code, so it is not loaded"):
            load_initial(make(), str(tmp_path / name), runs_dir=tmp_path)
    assert not Path("harm-was-done").exists()
    pickle.loads(Path("plain.pt").read_bytes())
    assert Path("harm-was-done").exists()  # so it would have shown


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.safetensors", b"\x10\x00", "does not load"),
        ("empty.pt", b"", "does not load|damaged"),
        ("cut.pt", b"PK\x03\x04 cut", "does not load|damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_initial(make(), str(tmp_path / name), runs_dir=tmp_path)
    assert name in str(caught.value)


def test_a_file_without_tensors_is_named(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="there are no tensors by name in it"):
        load_initial(make(), str(tmp_path / "x.pt"), runs_dir=tmp_path)


def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "outside.safetensors")
    index = {"weight_map": {"a": "../outside.safetensors"}}
    (tmp_path / "hub" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="which is no file beside it"):
        load_initial(make(), str(tmp_path / "hub"), runs_dir=tmp_path)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="it holds no weights that can be read"):
        load_initial(make(), str(tmp_path), runs_dir=tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file or folder"):
        load_initial(make(), str(tmp_path / "nowhere.pt"), runs_dir=tmp_path)
    with pytest.raises(RunError, match="no run 'nobody'"):
        load_initial(make(), "nobody@best", runs_dir=tmp_path)


def test_a_hub_that_is_out_of_reach_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"where there is no network, name a folder that holds its config.json"):
        load_initial(make(), "hf:nobody/nothing", runs_dir=tmp_path)
