"""Models of the transformers library: causal, cached, and with matrices the right way round."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from craft.config.schema.model import HFConfig
from craft.config.schema.optimizer import MuonConfig
from craft.errors import ConfigError
from craft.models import LanguageModel, create_model_from_config
from craft.models.hf import HFModel
from craft.training.optimizers import create_optimizer

pytest.importorskip("transformers")
VOCAB, CONTEXT = 11, 12
SIZES: dict[str, Any] = {"num_layers": 2, "num_heads": 4, "hidden_size": 32}


def make(model_type: str = "gpt2", **settings: Any) -> LanguageModel:
    torch.manual_seed(0)
    config = HFConfig(model_type=model_type, **{**SIZES, **settings})
    return create_model_from_config(config, VOCAB, CONTEXT).eval()


def tokens(rows: int = 2) -> torch.Tensor:
    return torch.randint(VOCAB, (rows, CONTEXT), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("pieces", [[12], [5, 7], [1] * 12])
@pytest.mark.parametrize("model_type", ["gpt2", "llama", "gpt_neox", "jamba"])
def test_reading_in_pieces_gives_the_same_logits(model_type: str, pieces: list[int]) -> None:
    model = make(model_type)
    whole = model(tokens()).logits
    state, parts = model.init_state(2, CONTEXT), []
    for piece in tokens().split(pieces, dim=1):
        output = model(piece, state=state)
        state = output.state
        parts.append(output.logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_the_cache_reads_only_what_is_new() -> None:
    model, seen = make(), []
    assert isinstance(model, HFModel)
    model.network.register_forward_pre_hook(
        lambda _, __, given: seen.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    state = model(tokens()[:, :-1], state=model.init_state(2, CONTEXT)).state
    model(tokens()[:, -1:], state=state)
    assert seen == [CONTEXT - 1, 1]


def test_a_seed_decides_the_weights_and_the_loss_is_ours() -> None:
    first, second = make(), make()
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))
    output = first(tokens(), tokens())
    assert output.logits.shape == (2, CONTEXT, VOCAB)
    assert torch.equal(output.loss, LanguageModel.next_token_loss(output.logits, tokens()))
    first.compute_dtype = torch.bfloat16
    assert first(tokens()).logits.dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for p in first.parameters())


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (8, 3)])
def test_any_number_of_heads_and_layers(heads: int, layers: int) -> None:
    model = make(num_heads=heads, num_layers=layers)
    assert isinstance(model, HFModel)
    assert (model.library_config.n_head, model.library_config.n_layer) == (heads, layers)
    assert model.library_config.n_positions == CONTEXT
    # Two tables, and a block of GPT-2: 12 D^2 of matrices and 13 D of biases and norms, two norms' worth at the end.
    assert model.num_parameters() == (VOCAB + CONTEXT) * 32 + layers * (12 * 32**2 + 13 * 32) + 2 * 32


def test_turned_matrices_compute_what_the_library_computes() -> None:
    from transformers import AutoModelForCausalLM

    model = make()
    assert isinstance(model, HFModel)
    torch.manual_seed(0)
    library = AutoModelForCausalLM.from_config(model.library_config).eval()
    torch.testing.assert_close(model(tokens()).logits, library(tokens()).logits)
    attention = model.network.get_parameter("transformer.h.0.attn.c_attn.weight")
    assert attention.shape == (3 * 32, 32)
    assert torch.equal(attention, library.get_parameter("transformer.h.0.attn.c_attn.weight").T)


def test_roles_tell_tables_head_and_matrices_apart() -> None:
    roles = make().parameter_roles()
    assert roles["network.transformer.wte.weight"] == roles["network.transformer.wpe.weight"] == "embedding"
    assert "head" not in roles.values()  # it is tied
    assert roles["network.transformer.h.0.attn.c_attn.bias"] == "scalar"
    untied = make("llama").parameter_roles()
    assert [name for name, role in untied.items() if role == "head"] == ["network.lm_head.weight"]
    assert sum(role == "matrix" for role in untied.values()) == 2 * 7


def test_muon_turns_query_key_and_value_each_by_itself() -> None:
    model = make()
    optimizer = create_optimizer(MuonConfig(), model)
    shapes = {tuple(t.shape) for name, t in optimizer.state_dict().items() if name.startswith("matrices.")}
    # Of each block: q, k, v and the output lie square, the MLP's pair is 128 x 32 and 32 x 128, laid down alike.
    assert shapes == {(8, 32, 32), (2, 32, 128)}
    before = [p.clone() for p in model.parameters()]
    model(tokens(), tokens()).loss.backward()
    optimizer.step()
    assert all(not torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_dropout_is_off_unless_set() -> None:
    still = make().train()
    assert torch.equal(still(tokens()).logits, still(tokens()).logits)
    dropping = make(dropout=0.5).train()
    assert not torch.equal(dropping(tokens()).logits, dropping(tokens()).logits)


def test_other_settings_go_to_the_library() -> None:
    model = make(arguments={"n_inner": 40, "activation_function": "relu"})
    assert isinstance(model, HFModel)
    assert model.network.get_parameter("transformer.h.0.mlp.c_fc.weight").shape == (40, 32)
    llama = make("llama", arguments={"rope_parameters": {"rope_type": "default", "rope_theta": 99.0}})
    assert isinstance(llama, HFModel)
    assert llama.library_config.rope_parameters["rope_theta"] == 99.0


def test_a_family_keeps_its_proportions() -> None:
    model = make("qwen3", num_kv_heads=2)
    assert isinstance(model, HFModel)
    config = model.library_config
    assert (config.head_dim, config.num_key_value_heads) == (8, 2)
    assert config.intermediate_size == pytest.approx(22016 / 4096 * 32, abs=4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model_type": "gpt22"}, "no causal model of this type (did you mean 'gpt2'?)"),
        ({"arguments": {"n_iner": 3}}, "'n_iner' is no setting of gpt2 in transformers"),
        ({"arguments": {"n_iner": 3}}, "did you mean 'n_inner'?"),
        ({"arguments": {"n_layer": 3}}, "'n_layer' follows from model.num_layers; leave it out"),
        ({"arguments": {"vocab_size": 3}}, "'vocab_size' follows from the tokenizer"),
        ({"arguments": {"n_positions": 3}}, "'n_positions' follows from data.context_length"),
        ({"model_type": "mamba"}, "model.num_heads: mamba of transformers has no such setting; leave it out"),
        ({"model_type": "xlnet"}, "this family sees the tokens that it is to predict"),
        ({"model_type": "gemma3"}, 'its text model is "gemma3_text"'),
        ({"model_type": "gptj"}, "transformers cannot run it: RuntimeError"),
        ({"arguments": {"activation_function": "gellu"}}, "transformers cannot build it"),
    ],
)
def test_what_the_library_does_not_know_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**settings)
    assert words in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from craft.errors import CraftError

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CraftError, match=r"pip install 'craft-workbench\[hf\]'"):
        make()
