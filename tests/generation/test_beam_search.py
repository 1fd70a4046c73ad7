"""Beam search: the rules are those of transformers, a width of one is greedy, and the tree tells what was given up."""

from __future__ import annotations

import copy
import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from craft.config.schema.model import LSTMConfig, TransformerConfig
from craft.data.tokenizers import ByteTokenizer, CharTokenizer, Tokenizer
from craft.errors import CheckpointError, TokenizerError, UsageError
from craft.generation import batch_generate, beam_search_generate
from craft.generation.beam_search import BeamSearch
from craft.generation.sampling import generate_tokens
from craft.generation.writing import Prompt
from craft.models import LanguageModel, create_model_from_config
from craft.models.base import ModelOutput
from craft.models.initial import load_initial
from craft.runs.sampling_settings import BeamSettings, SamplingSettings
from tests.generation.models import KINDS, LETTERS, VOCAB, make, randomise


@pytest.fixture(scope="module", params=[0, 1, 2])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, LanguageModel]:
    """A model of the library, and ours with its weights."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=VOCAB, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None
    )
    config.pad_token_id = 1
    library = transformers.GPT2LMHeadModel(config).eval()
    randomise(library, request.param, 0.3)
    folder: Path = tmp_path_factory.mktemp("gpt2")
    library.save_pretrained(folder)
    ours = create_model_from_config(
        TransformerConfig(preset="gpt2", num_layers=2, num_heads=2, hidden_size=16), VOCAB, 32
    )
    report = load_initial(ours, str(folder), runs_dir=folder)
    assert not report.misfits
    return library, ours.eval()


@pytest.mark.parametrize("ends", [(), (5,), (2, 7)])
@pytest.mark.parametrize(("width", "results"), [(1, 1), (2, 1), (3, 3), (6, 4)])
def test_it_finds_what_transformers_finds(
    pair: tuple[Any, LanguageModel], width: int, results: int, ends: tuple[int, ...]
) -> None:
    library, ours = pair
    prompt = "abcab"
    ids = torch.tensor([LETTERS.encode(prompt)])
    for penalty, early in [(1.0, False), (0.0, False), (0.0, True), (2.0, True), (-0.5, False)]:
        with torch.inference_mode():
            theirs = library.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                num_beams=width,
                num_return_sequences=results,
                length_penalty=penalty if width > 1 else None,
                early_stopping=early if width > 1 else None,
                max_new_tokens=15,
                eos_token_id=list(ends) or None,
                pad_token_id=1,
                output_scores=True,
                return_dict_in_generate=True,
            )
        found = beam_search_generate(
            ours,
            LETTERS,
            prompt,
            max_new_tokens=15,
            width=width,
            num_results=results,
            length_penalty=penalty,
            early_stopping=early,
            end_tokens=frozenset(ends),
        )
        assert len(found) == results
        for place, beam in enumerate(found):
            wanted = theirs.sequences[place, ids.shape[1] :].tolist()
            assert list(beam.tokens) == wanted[: len(beam.tokens)]
            assert set(wanted[len(beam.tokens) :]) <= {1}  # what the library fills up with
            if width > 1:
                assert beam.score == pytest.approx(theirs.sequences_scores[place].item(), abs=1e-4)


def test_greedy_texts_of_many_prompts_are_those_of_transformers(pair: tuple[Any, LanguageModel]) -> None:
    """Which pads on the left, and is told where."""
    library, ours = pair
    prompts = ["abcab", "m", "ecdhgijklba", "jj"]
    longest = max(map(len, prompts))
    ids = torch.tensor([[1] * (longest - len(prompt)) + LETTERS.encode(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.inference_mode():
        made = library.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=18, pad_token_id=1)
    wanted = [LETTERS.decode(row.tolist()) for row in made[:, longest:]]
    assert batch_generate(ours, LETTERS, prompts, temperature=0, max_new_tokens=18) == wanted
    assert len(set(wanted)) > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", ["", "abc", "abcdefghijklmabc"])
def test_a_width_of_one_is_greedy(kind: str, prompt: str) -> None:
    """Also past the context, where windows move on."""
    model = make(kind)
    greedy = list(generate_tokens(model, LETTERS.encode(prompt), SamplingSettings(30, temperature=0)))
    (beam,) = beam_search_generate(model, LETTERS, prompt, width=1, max_new_tokens=30)
    assert list(beam.tokens) == greedy
    assert beam.text == LETTERS.decode(greedy)
    assert beam.ended == "length"


def test_where_all_tokens_are_equally_likely_the_first_comes_as_in_greedy() -> None:
    model = create_model_from_config(TransformerConfig(num_layers=1, num_heads=2, hidden_size=16), VOCAB, 8).eval()
    greedy = list(generate_tokens(model, [1], SamplingSettings(12, temperature=0)))
    (beam,) = beam_search_generate(model, LETTERS, "b", width=1, max_new_tokens=12)
    assert list(beam.tokens) == greedy


@pytest.mark.parametrize("kind", KINDS)
def test_a_wide_search_finds_the_likeliest_text_of_all(kind: str) -> None:
    """Wide enough to give nothing up, it is a search of everything."""
    model, length = make(kind), 3
    with torch.inference_mode():
        texts = torch.tensor(list(itertools.product(range(VOCAB), repeat=length)))
        prompt = torch.tensor(LETTERS.encode("ab")).expand(len(texts), -1)
        logs = model(torch.cat((prompt, texts), dim=1)).logits.double().log_softmax(-1)[:, 1:-1]
        totals = logs.gather(-1, texts[..., None]).sum((1, 2))
    best = totals.argsort(descending=True)[:5]
    # The own model keeps a state for each text, which is slow for hundreds: narrower, it still finds the best ones.
    width = 40 if kind == "own" else VOCAB**2
    found = beam_search_generate(model, LETTERS, "ab", width=width, num_results=5, max_new_tokens=length)
    assert [list(beam.tokens) for beam in found] == texts[best].tolist()
    for beam, place in zip(found, best.tolist(), strict=True):
        assert beam.log_probability == pytest.approx(totals[place].item(), abs=1e-4)
        assert beam.score == pytest.approx(beam.log_probability / length)
        assert math.log(math.prod(beam.probabilities)) == pytest.approx(beam.log_probability, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_past_the_context(kind: str) -> None:
    model = make(kind)
    search = BeamSearch(model, LETTERS, "abc" * 10, BeamSettings(40, width=3, num_results=3))
    assert list(search) == list(range(1, 41))
    assert [len(beam.tokens) for beam in search.results] == [40] * 3
    assert len({beam.tokens for beam in search.results}) == 3
    if model.unbounded:
        assert (search.unread, search.slides) == (0, 0)
    else:
        assert search.unread == 30 - 12
        assert search.slides >= 5


def test_the_prompt_is_read_once_and_each_step_reads_one_position_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = make("rotary", 64), []
    before = model.read

    def counting(tokens: Tensor, state: Any) -> Any:
        read.append(tuple(tokens.shape))
        return before(tokens, state)

    monkeypatch.setattr(model, "read", counting)
    beam_search_generate(model, LETTERS, "abcdefg", width=4, max_new_tokens=6)
    assert read == [(1, 7), *[(4, 1)] * 5]


def test_a_width_beyond_the_vocabulary() -> None:
    """There are fewer beams at first, and at last as many as were asked for."""
    found = beam_search_generate(make("rotary"), LETTERS, "a", width=50, num_results=50, max_new_tokens=2)
    assert len({beam.tokens for beam in found}) == 50
    few = beam_search_generate(make("rotary"), LETTERS, "a", width=50, num_results=50, max_new_tokens=1)
    assert len(few) == VOCAB  # there are no more
    assert sum(math.exp(beam.log_probability) for beam in few) == pytest.approx(1)


def test_a_beam_that_reaches_a_stop_text_is_finished() -> None:
    model = make("rotary", 64)
    plain = beam_search_generate(model, LETTERS, "a", width=1, max_new_tokens=20)[0]
    stop = plain.text[5:8]
    cut = plain.text.find(stop)
    (found,) = beam_search_generate(model, LETTERS, "a", width=1, max_new_tokens=20, stop=(stop,))
    assert (found.text, found.ended) == (plain.text[:cut], "stop")
    assert found.tokens == plain.tokens[: cut + 3]
    several = beam_search_generate(
        model, LETTERS, "a", width=4, num_results=4, max_new_tokens=12, stop=(stop[:1],), length_penalty=0
    )
    assert any(beam.ended == "stop" for beam in several)
    for beam in several:
        assert stop[0] not in beam.text
        assert (LETTERS.encode(stop[0])[0] in beam.tokens) == (beam.ended == "stop")


def described(
    model: LanguageModel, prompt: str, settings: BeamSettings, ends: frozenset[int]
) -> list[tuple[tuple[int, ...], float]]:
    """The search by the words of `BeamSearch`, over all candidates and from whole texts."""
    open_now: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[tuple[tuple[int, ...], float]] = []
    for step in range(1, settings.max_new_tokens + 1):
        with torch.inference_mode():
            texts = torch.tensor([[*LETTERS.encode(prompt), *tokens] for tokens, _ in open_now])
            logs = model(texts).logits[:, -1].double().log_softmax(-1)
        candidates = [
            ((*tokens, token), total + logs[row, token].item())
            for row, (tokens, total) in enumerate(open_now)
            for token in range(VOCAB)
        ]
        candidates.sort(key=lambda one: -one[1])
        open_now = []
        for rank, (tokens, total) in enumerate(candidates):
            text = LETTERS.decode(tokens)
            ended = tokens[-1] in ends or step == settings.max_new_tokens or any(stop in text for stop in settings.stop)
            if ended and rank < settings.width:
                finished.append((tokens, total / step**settings.length_penalty))
            if not ended and len(open_now) < settings.width:
                open_now.append((tokens, total))
        finished = sorted(finished, key=lambda one: -one[1])[: settings.width]
        if not open_now or (
            len(finished) == settings.width
            and (settings.early_stopping or open_now[0][1] / step**settings.length_penalty <= finished[-1][1])
        ):
            break
    return finished[: settings.num_results]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "stop", [(), ("a", "bc"), tuple("abcdefghij"), tuple("abcdefghijklm"), ("ab", "b", "kl", "lk")]
)
@pytest.mark.parametrize(("penalty", "early"), [(1.0, False), (0.0, True), (2.5, False), (-1.0, False)])
def test_it_is_the_search_that_is_described(seed: int, stop: tuple[str, ...], penalty: float, early: bool) -> None:
    """Also where so many candidates end that those after them are needed."""
    model = make("learned", 32, seed=seed)
    for width, results, ends in [(1, 1, frozenset[int]()), (3, 2, frozenset({3})), (5, 5, frozenset({1, 12}))]:
        settings = BeamSettings(9, width, penalty, results, early, stop)
        search = BeamSearch(model, LETTERS, "fgh", settings, end_tokens=ends)
        list(search)
        wanted = described(model, "fgh", settings, ends)
        assert [beam.tokens for beam in search.results] == [tokens for tokens, _ in wanted]
        for beam, (_, score) in zip(search.results, wanted, strict=True):
            assert beam.score == pytest.approx(score, rel=1e-5)
        nodes = search.tree.nodes
        assert {node.id for node in nodes if node.state != "given up"} == {
            one.id for node in nodes if node.state == "finished" for one in search.tree.path(node.id)
        }


def test_the_token_for_the_end_is_no_text() -> None:
    model = make("rotary", 64)
    end = beam_search_generate(model, LETTERS, "a", width=1, max_new_tokens=4)[0].tokens[3]
    found = beam_search_generate(
        model, LETTERS, "a", width=3, num_results=3, max_new_tokens=30, end_tokens=frozenset({end})
    )
    ended = [beam for beam in found if beam.ended == "end"]
    assert ended
    for beam in ended:
        assert beam.tokens[-1] == end
        assert beam.text == LETTERS.decode(beam.tokens[:-1])


def test_characters_of_several_bytes_come_whole() -> None:
    class Says(LanguageModel):
        """Expects the bytes of a text, and a little of anything else."""

        vocab_size, context_length, unbounded = 256, 8, True

        def init_state(self, batch_size: int, max_length: int) -> Any:
            return 0

        def select_state(self, state: Any, rows: list[int]) -> Any:
            return state

        def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
            wanted = "é€日x".encode()
            logits = torch.zeros(*tokens.shape, 256)
            logits[:, -1, wanted[state % len(wanted)]] = 9
            return ModelOutput(logits, None, state + 1)

    tokenizer = ByteTokenizer()
    (found,) = beam_search_generate(Says().eval(), tokenizer, "a", width=2, max_new_tokens=9, length_penalty=0)
    assert found.text == "é€日x"
    (found,) = beam_search_generate(Says().eval(), tokenizer, "a", width=2, max_new_tokens=9, stop=("日",))
    assert (found.text, found.ended) == ("é€", "stop")
    (half,) = beam_search_generate(Says().eval(), tokenizer, "a", width=1, max_new_tokens=4)
    assert half.text == "é\N{REPLACEMENT CHARACTER}"


def test_going_on_from_chosen_tokens_is_going_on_from_the_text() -> None:
    model = make("rotary", 64)
    chosen = tuple(LETTERS.encode("fa"))
    after = beam_search_generate(model, LETTERS, Prompt("abc", chosen), width=3, max_new_tokens=8)
    assert after == beam_search_generate(model, LETTERS, "abcfa", width=3, max_new_tokens=8)


def test_the_tree_holds_what_was_found_and_what_was_given_up() -> None:
    search = BeamSearch(make("rotary"), LETTERS, "ab", BeamSettings(10, width=3, num_results=3))
    sizes = []
    for step in search:
        sizes.append(len(search.tree.nodes))
        assert search.tree.step == step
        open_now = {beam.tokens for beam in search.beams}
        leaves = {
            tuple(one.token for one in search.tree.path(node.id))
            for node in search.tree.nodes
            if node.state == "kept" and not search.tree.goes_on(node.id)
        }
        assert leaves == open_now
        assert len(open_now) == (3 if step < 10 else 0)
    assert sizes == sorted(set(sizes))
    nodes = search.tree.nodes
    finished = [node for node in nodes if node.state == "finished"]
    assert sorted((node.score or 0 for node in finished), reverse=True) == [beam.score for beam in search.results]
    leading = {one.id for node in finished for one in search.tree.path(node.id)}
    assert leading == {node.id for node in nodes if node.state != "given up"}
    for node in nodes:
        before = 0.0 if node.parent is None else nodes[node.parent].total
        assert node.total == pytest.approx(before + node.log_probability)
        assert node.piece == LETTERS.piece(node.token)
        assert node.depth <= node.step <= 10
        if node.state == "given up" and not node.kept:
            assert node.step == node.depth
    read_back = json.loads(json.dumps(search.tree.as_json()))
    assert read_back["step"] == 10
    assert [node["id"] for node in read_back["nodes"]] == list(range(len(nodes)))


def test_a_finished_text_that_others_beat_is_given_up() -> None:
    """With many ends there are more finished texts than the search keeps."""
    search = BeamSearch(
        make("rotary"), LETTERS, "ab", BeamSettings(20, width=2, length_penalty=3.0), end_tokens=frozenset(range(4))
    )
    list(search)
    nodes = search.tree.nodes
    assert sum(node.state == "finished" for node in nodes) == 2
    beaten = [node for node in nodes if node.score is not None and node.state == "given up"]
    assert beaten
    assert all(node.step >= node.depth for node in beaten)


def test_the_drawing_fits_a_terminal() -> None:
    search = BeamSearch(make("rotary"), LETTERS, "ab", BeamSettings(60, width=4, num_results=2))
    list(search)
    for columns in (40, 80):
        lines = search.tree.drawing(columns=columns)
        assert max(map(len, lines)) <= columns
        assert sum("score" in line for line in lines) == 4
    best = search.tree.drawing(given_up=False)
    assert len(best) == 4
    assert LETTERS.decode(search.results[0].tokens)[-50:] in best[0]
    plain = "\n".join(search.tree.drawing(columns=80, ascii_only=True))
    assert plain.isascii()
    shallow = search.tree.drawing(columns=80, depth=2)
    assert shallow[0].endswith("goes on")
    assert len(shallow) < len(search.tree.drawing())


def test_the_drawing_is_clean() -> None:
    tokenizer = CharTokenizer.train("\x1b[2J\u202eabc日本語한글")
    model = create_model_from_config(LSTMConfig(num_layers=1, hidden_size=8), tokenizer.vocab_size, 8)
    randomise(model)
    search = BeamSearch(model.eval(), tokenizer, "a", BeamSettings(12, width=8))
    list(search)
    for ascii_only in (False, True):
        text = "".join(search.tree.drawing(columns=60, ascii_only=ascii_only))
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_search_that_is_left_leaves_the_model_as_it_was() -> None:
    model = make("rotary").train()
    steps = iter(BeamSearch(model, LETTERS, "a", BeamSettings(10)))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert model.training


def test_what_makes_no_sense_is_refused() -> None:
    model = make("rotary")
    for settings in ({"width": 0}, {"num_results": 5}, {"max_new_tokens": 0}, {"length_penalty": math.nan}):
        with pytest.raises(UsageError):
            beam_search_generate(model, LETTERS, "a", **settings)
    with pytest.raises(TokenizerError):
        beam_search_generate(model, LETTERS, "a?")
    broken = copy.deepcopy(model)
    with torch.no_grad():
        next(broken.parameters()).fill_(math.nan)
    with pytest.raises(CheckpointError, match="no numbers"):
        beam_search_generate(broken, LETTERS, "a")


def test_every_tokenizer_serves(tmp_path: Path) -> None:
    """Pieces of a word and signs that are no text."""
    from craft.config.schema.tokenizer import BPETokenizerConfig
    from craft.data.tokenizers import train_tokenizer

    text = "the cat sat on the mat, and the rat sat on the cat: " * 20
    tokenizer: Tokenizer = train_tokenizer(BPETokenizerConfig(vocab_size=270), text)
    model = create_model_from_config(LSTMConfig(num_layers=1, hidden_size=8), tokenizer.vocab_size, 16)
    randomise(model)
    found = beam_search_generate(model.eval(), tokenizer, "the", width=3, num_results=3, max_new_tokens=12)
    for beam in found:
        assert beam.text == tokenizer.decode(beam.tokens)
