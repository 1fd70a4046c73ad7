"""What other programs saved writes here what it writes there; what is not whole is named, and nothing in it is run."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file

from craft.data.tokenizers import CharTokenizer, IdsTokenizer
from craft.errors import CheckpointError, CraftError, TokenizerError
from craft.generation import foreign_tokenizer
from craft.generation.checkpoint import LoadedCheckpoint, load_checkpoint
from craft.models.hf import HFModel
from craft.models.packed import pack
from craft.models.transformer import Transformer
from craft.runs.sampling_settings import SamplingSettings
from tests.generation.foreign import (
    CHARACTERS,
    CONTEXT,
    VOCAB,
    WORDS,
    edit_json,
    hub_folder,
    library_model,
    library_text,
    library_tokenizer,
    nanogpt_logits,
    nanogpt_state,
    save_meta,
    save_nanogpt,
)

GREEDY = SamplingSettings(max_new_tokens=20, temperature=0)


def some_tokens(vocab_size: int, length: int = CONTEXT) -> torch.Tensor:
    return torch.randint(vocab_size, (2, length), generator=torch.Generator().manual_seed(1))


def written(loaded: LoadedCheckpoint, prompt: str) -> str:
    return "".join(loaded.stream(prompt, GREEDY))


# nanoGPT -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
def test_nanogpts_checkpoint_computes_and_writes_what_it_does_there(tmp_path: Path, bias: bool) -> None:
    state = nanogpt_state(bias=bias)
    place = save_nanogpt(tmp_path / "out" / "ckpt.pt", state)
    save_meta(place.parent)
    loaded = load_checkpoint(place)
    assert isinstance(loaded.model, Transformer)
    assert (loaded.source, loaded.step, loaded.run, loaded.config) == ("nanoGPT's ckpt.pt, step 250", 250, None, None)
    assert (loaded.context_length, loaded.end_tokens, loaded.remarks) == (CONTEXT, frozenset(), ())
    assert loaded.num_bytes == 4 * (sum(t.numel() for t in state.values()) - state["lm_head.weight"].numel())
    tokens = some_tokens(len(CHARACTERS))
    torch.testing.assert_close(loaded.model(tokens).logits, nanogpt_logits(state, tokens), rtol=1e-4, atol=1e-4)
    row = [CHARACTERS.index(c) for c in "abc"]
    for _ in range(GREEDY.max_new_tokens):
        row.append(int(nanogpt_logits(state, torch.tensor([row]))[0, -1].argmax()))
    text = "".join(CHARACTERS[token] for token in row[3:])
    assert written(loaded, "abc") == text
    pack(loaded.model, "fp32")
    assert written(loaded, "abc") == text


def test_the_folder_of_a_nanogpt_is_enough(tmp_path: Path) -> None:
    save_meta(save_nanogpt(tmp_path / "ckpt.pt", nanogpt_state(bias=False), prefix="").parent)
    assert load_checkpoint(tmp_path).source == "nanoGPT's ckpt.pt, step 250"


@pytest.mark.parametrize("up", [".", ".."])
def test_nanogpts_characters_are_found_in_its_data_folder(tmp_path: Path, up: str) -> None:
    place = save_nanogpt(tmp_path / "out" / "ckpt.pt", nanogpt_state(bias=False))
    save_meta(place.parent / up / "data" / "tiny")
    save_meta(place.parent, "ab")  # of another model
    assert isinstance(load_checkpoint(place).tokenizer, CharTokenizer)


def test_the_name_of_a_data_folder_leads_nowhere_else(tmp_path: Path) -> None:
    place = save_nanogpt(tmp_path / "out" / "ckpt.pt", nanogpt_state(bias=False), dataset="../elsewhere")
    save_meta(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    loaded = load_checkpoint(place)
    assert isinstance(loaded.tokenizer, IdsTokenizer)


def test_without_characters_a_prompt_is_ids_and_that_is_said(tmp_path: Path) -> None:
    loaded = load_checkpoint(save_nanogpt(tmp_path / "ckpt.pt", nanogpt_state(bias=False)))
    assert "put the meta.pkl of data/tiny beside ckpt.pt" in loaded.remarks[0]
    assert [int(word) for word in written(loaded, "1 2 3").split()]
    with pytest.raises(TokenizerError, match="this tokenizer knows no text, only ids from 0 to 9"):
        written(loaded, "abc")


def test_gpt2s_sizes_ask_for_gpt2s_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = nanogpt_state(bias=False, vocab_size=50304)
    place = save_nanogpt(tmp_path / "ckpt.pt", state)
    monkeypatch.setattr(foreign_tokenizer, "_GPT2_ON_THE_HUB", ())
    loaded = load_checkpoint(place)
    assert isinstance(loaded.tokenizer, IdsTokenizer)
    assert "put GPT-2's tokenizer.json beside ckpt.pt" in loaded.remarks[0]
    library_tokenizer().save(str(tmp_path / "tokenizer.json"))
    loaded = load_checkpoint(place)
    assert loaded.tokenizer.vocab_size == 50304  # as many as the model has, though there are fewer
    assert loaded.tokenizer.decode([*loaded.tokenizer.encode("the cat"), 50303]) == "the cat"
    assert loaded.remarks == ()


def test_a_vocabulary_that_would_run_code_is_refused(tmp_path: Path) -> None:
    place = save_nanogpt(tmp_path / "ckpt.pt", nanogpt_state(bias=False))
    (tmp_path / "meta.pkl").write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    with pytest.raises(CheckpointError, match=r"meta\.pkl: not read: it would run os\.system"):
        load_checkpoint(place)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_head": None}, r"how many heads its model has is not said \(found None\)"),
        ({"n_head": True}, r"how many heads its model has is not said \(found True\)"),
        ({"n_head": 3}, r"how many heads its model has is not said \(found 3\)"),
        ({"n_layer": 3}, "n_layer is 3 in its settings and 2 in its weights"),
        ({"vocab_size": 12}, "vocab_size is 12 in its settings and 10 in its weights"),
    ],
)
def test_nanogpts_settings_and_weights_belong_together(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    place = save_nanogpt(tmp_path / "ckpt.pt", nanogpt_state(bias=False), **change)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(place)


def test_a_nanogpt_that_lacks_a_tensor_is_not_loaded(tmp_path: Path) -> None:
    state = nanogpt_state(bias=False)
    state["transformer.h.1.mlp.odd.weight"] = state.pop("transformer.h.1.mlp.c_fc.weight")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(save_nanogpt(tmp_path / "ckpt.pt", state))
    assert "blocks.1.mlp.up_proj.weight: the source has none of this name" in str(caught.value)
    assert "transformer.h.1.mlp.odd.weight: the model has none of this name" in str(caught.value)


# Hugging Face ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("saved", ["whole", "shards", "bin", "old bin"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_library_folder_computes_and_writes_what_it_does_there(tmp_path: Path, family: str, saved: str) -> None:
    model, tokenizer = library_model(family), library_tokenizer(begins=family == "llama")
    place = hub_folder(tmp_path / "hub", model, tokenizer, max_shard_size="10KB" if saved == "shards" else "1GB")
    if "bin" in saved:
        state = load_file(place / "model.safetensors")
        torch.save(state, place / "pytorch_model.bin", _use_new_zipfile_serialization=saved == "bin")
        (place / "model.safetensors").unlink()
    assert (place / "model.safetensors.index.json").exists() == (saved == "shards")
    loaded = load_checkpoint(place)
    assert isinstance(loaded.model, Transformer if family == "gpt2" else HFModel)
    assert (loaded.source, loaded.end_tokens) == (f"Hugging Face {family} in hub", frozenset({1}))
    assert (loaded.context_length, loaded.model.vocab_size, loaded.tokenizer.vocab_size) == (CONTEXT, VOCAB, VOCAB)
    tokens = some_tokens(VOCAB)
    with torch.no_grad():
        wanted = model(tokens).logits
    torch.testing.assert_close(loaded.model(tokens).logits, wanted, rtol=1e-4, atol=1e-4)
    new = library_text(model, tokenizer.encode("the cat").ids, GREEDY.max_new_tokens)
    assert written(loaded, "the cat") == tokenizer.decode(new, skip_special_tokens=False)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"activation_function": "gelu"}, Transformer),
        ({"tie_word_embeddings": False}, Transformer),
        ({"n_inner": 24}, Transformer),
        ({"activation_function": "relu"}, HFModel),
        ({"scale_attn_by_inverse_layer_idx": True}, HFModel),
        ({"layer_norm_epsilon": 1e-2}, HFModel),
    ],
)
def test_gpt2s_of_another_kind_compute_the_same_too(tmp_path: Path, settings: dict[str, Any], kind: type) -> None:
    model = library_model(**settings)
    loaded = load_checkpoint(hub_folder(tmp_path, model))
    assert type(loaded.model) is kind
    tokens = some_tokens(VOCAB)
    with torch.no_grad():
        wanted = model(tokens).logits
    torch.testing.assert_close(loaded.model(tokens).logits, wanted, rtol=1e-4, atol=1e-4)
    assert "no tokenizer.json" in loaded.remarks[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_half_the_size_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    model = library_model().to(dtype)
    loaded = load_checkpoint(hub_folder(tmp_path, model))
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    with torch.no_grad():
        wanted = model.float()(some_tokens(VOCAB)).logits
    torch.testing.assert_close(loaded.model(some_tokens(VOCAB)).logits, wanted, rtol=1e-4, atol=1e-4)


def test_one_file_of_a_folder_is_enough(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model("llama"), library_tokenizer())
    assert load_checkpoint(place / "model.safetensors").source == "Hugging Face llama in model.safetensors"


def test_a_sentencepiece_model_beside_it_is_its_tokenizer(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model("llama"))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(WORDS.split(".")), model_writer=model, vocab_size=18, minloglevel=3
    )
    (place / "tokenizer.model").write_bytes(model.getvalue())
    own = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    loaded = load_checkpoint(place)
    # The blank before a text, and the sign for its beginning, as that model was trained.
    assert loaded.tokenizer.encode("the cat") == [own.bos_id(), *own.EncodeAsIds("the cat")]
    assert own.EncodeAsIds("the cat") == own.EncodeAsIds(" the cat")
    new = library_text(library_model("llama"), loaded.tokenizer.encode("the cat"), GREEDY.max_new_tokens)
    assert written(loaded, "the cat") == loaded.tokenizer.decode(new)
    (place / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    assert load_checkpoint(place).tokenizer.encode("the cat") == own.EncodeAsIds("the cat")


def test_gpt2s_first_files_are_its_tokenizer_too(tmp_path: Path) -> None:
    tokenizer = library_tokenizer()
    place = hub_folder(tmp_path, library_model())
    tokenizer.model.save(str(place))
    loaded = load_checkpoint(place)
    assert loaded.tokenizer.encode("the cat sat") == tokenizer.encode("the cat sat").ids


def test_several_tokens_can_end_a_text(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model(), library_tokenizer())
    edit_json(place / "generation_config.json", eos_token_id=[1, 7, VOCAB + 3])
    loaded = load_checkpoint(place)
    assert loaded.end_tokens == {1, 7}
    (place / "generation_config.json").unlink()
    assert load_checkpoint(place).end_tokens == {1}


def test_a_sign_beyond_the_model_is_refused_when_it_is_used(tmp_path: Path) -> None:
    tokenizer = library_tokenizer()
    tokenizer.add_special_tokens([f"<sign {number}>" for number in range(30)])
    loaded = load_checkpoint(hub_folder(tmp_path, library_model(), tokenizer))
    with pytest.raises(TokenizerError, match=r"the text holds '<sign 29>', which is token 305, and the model has 300"):
        loaded.tokenizer.encode("the <sign 29>")


def test_another_models_tokenizer_is_refused(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model(vocab_size=270), library_tokenizer())
    with pytest.raises(CheckpointError, match="its tokenizer has 276 tokens and its model 270: they do not belong"):
        load_checkpoint(place)


def test_gpt2s_shape_needs_no_library_and_others_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpt2 = hub_folder(tmp_path / "gpt2", library_model("gpt2"))
    llama = hub_folder(tmp_path / "llama", library_model("llama"))
    for name in ("transformers", "tokenizers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    assert isinstance(load_checkpoint(gpt2).model, Transformer)
    with pytest.raises(CraftError, match=r"a model of type llama needs the transformers .* 'craft-workbench\[hf\]'"):
        load_checkpoint(llama)
    (gpt2 / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')
    with pytest.raises(CraftError, match=r"need the library 'tokenizers', .* 'craft-workbench\[hf\]'"):
        load_checkpoint(gpt2)


# Not whole ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("fault", ["missing", "shape", "more", "ints"])
def test_weights_that_do_not_fit_whole_are_named(tmp_path: Path, family: str, fault: str) -> None:
    place = hub_folder(tmp_path, library_model(family))
    state = load_file(place / "model.safetensors")
    name = next(name for name in sorted(state) if ".1." in name and name.endswith(("c_fc.weight", "up_proj.weight")))
    match fault:
        case "missing":
            del state[name]
        case "shape":
            state[name] = torch.ones(3, 5)
        case "more":
            state[name.replace(".1.", ".2.")] = state[name].clone()
        case "ints":
            state[name] = state[name].to(torch.int8)
    save_file(state, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(place)
    text = str(caught.value)
    assert str(place) in text
    assert any(word in text for word in (name, "blocks.1.mlp.up_proj.weight", name.replace(".1.", ".2."), "n_layer"))
    assert "\n" not in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 10**9}, r"says 1,000,000,000 layers, and there are 21 tensors"),
        ({"vocab_size": 10**12}, r"says vocab_size 1,000,000,000,000, and no tensor has that size"),
        ({"hidden_size": 10**9}, r"says hidden_size 1,000,000,000, and no tensor has that size"),
    ],
)
def test_what_damaged_settings_ask_for_is_not_built(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    place = hub_folder(tmp_path, library_model("llama"))
    edit_json(place / "config.json", **change)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(place)


def test_weights_that_diverged_are_loaded_and_said(tmp_path: Path) -> None:
    state = nanogpt_state(bias=False)
    state["transformer.h.1.attn.c_proj.weight"][3, 3] = float("nan")
    loaded = load_checkpoint(save_nanogpt(tmp_path / "ckpt.pt", state))
    assert "its weights hold NaN or infinity, blocks.1.attention.o_proj.weight first" in loaded.remarks[-1]


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model("llama"))
    edit_json(place / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(CheckpointError, match="its weights are quantised, which is not read"):
        load_checkpoint(place)


def test_a_models_own_code_is_never_run(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model("llama"))
    edit_json(place / "config.json", model_type="mine", auto_map={"AutoModelForCausalLM": "mine.Model"})
    (place / "mine.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(CheckpointError, match="no causal model of type 'mine'; code that comes with a model is never"):
        load_checkpoint(place)


def test_a_model_that_looks_ahead_is_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=VOCAB, max_position_embeddings=CONTEXT, is_decoder=False, **sizes)
    transformers.BertLMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="this family sees the tokens that it is to predict"):
        load_checkpoint(tmp_path)


def test_weights_by_themselves_say_what_is_missing(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model("llama"))
    (place / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"nothing beside them says what they are of: config\.json is missing"):
        load_checkpoint(place / "model.safetensors")


# Damaged -----------------------------------------------------------------------------------------------------------


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    match how:
        case "empty":
            content.clear()
        case "zeros":
            content[:] = bytes(len(content))
        case "cut":
            del content[middle:]
        case "no end":
            content[middle:] = bytes(len(content) - middle)
        case "noise":
            content[:] = os.urandom(len(content))
        case "text":
            content[:] = b"<html>not found</html>"
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["empty", "zeros", "cut", "no end", "noise", "text"])
@pytest.mark.parametrize("kind", ["ckpt.pt", "model.safetensors", "shard", "config.json", "tokenizer.json"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, kind: str, how: str) -> None:
    if kind == "ckpt.pt":
        place = file = save_nanogpt(tmp_path / kind, nanogpt_state(bias=True))
    else:
        place = hub_folder(
            tmp_path, library_model("llama"), library_tokenizer(), max_shard_size="10KB" if kind == "shard" else "1GB"
        )
        file = sorted(place.glob("model-*"))[1] if kind == "shard" else place / kind
    load_checkpoint(place)
    damage(file, how)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(place)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)
    if how == "empty" and kind in ("model.safetensors", "shard"):
        assert "it is empty" in str(caught.value)


def test_a_changed_number_in_a_pytorch_file_is_seen(tmp_path: Path) -> None:
    state = nanogpt_state(bias=False)
    place = save_nanogpt(tmp_path / "ckpt.pt", state)
    content, wanted = bytearray(place.read_bytes()), state["transformer.h.0.mlp.c_fc.weight"].numpy().tobytes()
    content[content.index(wanted) + 100] ^= 1
    place.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"ckpt\.pt: damaged: '.*' in it is not what was written"):
        load_checkpoint(place)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    place = hub_folder(tmp_path, library_model("llama"), max_shard_size="10KB")
    gone = sorted(place.glob("model-*"))[1]
    gone.unlink()
    with pytest.raises(CheckpointError, match=gone.name):
        load_checkpoint(place)


class Harmful:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm-was-done"),))


@pytest.mark.parametrize("name", ["ckpt.pt", "pytorch_model.bin"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": nanogpt_state(bias=False), "model_args": {"n_head": 2}, "more": Harmful()}, name)
    Path("config.json").write_text(json.dumps({"model_type": "gpt2", "n_head": 2}))
    with pytest.raises(CheckpointError, match="could run any code, so it is not loaded"):
        load_checkpoint(tmp_path / name)
    assert not Path("harm-was-done").exists()


def test_a_file_that_changes_while_it_is_read_is_said(tmp_path: Path) -> None:
    place = save_nanogpt(tmp_path / "ckpt.pt", nanogpt_state(bias=False, vocab_size=3000))
    other = save_nanogpt(tmp_path / "other.pt", nanogpt_state(bias=True, vocab_size=3000)).read_bytes()
    over = threading.Event()

    def write_on() -> None:
        while not over.is_set():
            place.write_bytes(other)  # in place, as torch.save does it

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        found: set[str] = set()
        while not any("it changed while it was read; try again once it is written" in text for text in found):
            try:
                load_checkpoint(place)
            except CheckpointError as error:
                found.add(str(error))
    finally:
        over.set()
        writer.join()
    assert all(text.startswith(str(place)) for text in found)
    assert load_checkpoint(place).step == 250


def test_a_folder_of_something_else_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint: it is empty"):
        load_checkpoint(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match=r"no checkpoint: it holds notes\.txt; name a run"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"notes\.txt: no checkpoint: a file's name ends in"):
        load_checkpoint(tmp_path / "notes.txt")
    shutil.rmtree(tmp_path)
    with pytest.raises(CheckpointError, match="there is no such file or folder"):
        load_checkpoint(tmp_path)
