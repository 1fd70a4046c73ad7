"""The transformer's weights, products and memory: craft/models/transformer.py, in numbers.

Letters: B sequences, T context, N = B x T tokens in memory at once, D width, H query heads, K key/value heads, C head
width, F width of the MLP, V vocabulary.
"""

from __future__ import annotations

from craft.config.estimate.head import goes_in_pieces, logits_at_once, loss_in_pieces
from craft.config.estimate.parts import FP32, ModelParts, Stage, Weights, Workload
from craft.config.schema.model import TransformerConfig


def describe(model: TransformerConfig, work: Workload) -> ModelParts:
    """See `Architecture.describe`."""
    return ModelParts(_weights(model, work), _forward_flops(model, work), _Memory(model, work).stages())


def _weights(model: TransformerConfig, work: Workload) -> list[Weights]:
    layers, width, hidden = model.num_layers, model.hidden_size, model.mlp_size
    rows = (width, model.kv_heads * model.head_size, model.kv_heads * model.head_size)
    found = [Weights("token embedding", (work.vocab_size, width), "embedding")]
    if model.position == "learned":
        found.append(Weights("position embedding", (work.context_length, width), "embedding"))
    attention, mlp = [((sum(rows), width), rows), ((width, width), ())], [((width, hidden), ())]
    mlp = [((hidden, width), ())] * (2 if model.mlp == "swiglu" else 1) + mlp
    for part, matrices in (("attention", attention), ("mlp", mlp)):
        for shape, stacked in matrices:
            found.append(Weights(part, shape, "matrix", layers, stacked))
            if model.bias:
                found.append(Weights(part, shape[:1], "scalar", layers))
    if model.norm == "layernorm":
        found.append(Weights("norms", (width,), "scalar", (2 * layers + 1) * (2 if model.bias else 1)))
    if not model.tie_embeddings:
        found.append(Weights("head", (work.vocab_size, width), "head"))
    return found


def _forward_flops(model: TransformerConfig, work: Workload) -> dict[str, float]:
    layers, width = model.num_layers, model.hidden_size
    projections = width * (width + 2 * model.kv_heads * model.head_size) + width * width
    mlp = (3 if model.mlp == "swiglu" else 2) * width * model.mlp_size
    return {
        "attention projections": 2.0 * layers * projections,
        # Every query with every key: a product over T x T computes them all, whatever the mask hides.
        "attention scores": 2.0 * layers * 2 * work.context_length * width,
        "mlp": 2.0 * layers * mlp,
        "head": 2.0 * width * work.vocab_size,
    }


class _Memory:
    """Bytes of each step of the forward pass: the model's own tensors, and what torch saves of them.

    Going forward, the residual stream and what the model's functions still hold by name are there besides what is
    kept; going backward, the stream's gradient waits while a branch is gone through.
    """

    def __init__(self, model: TransformerConfig, work: Workload) -> None:
        self.model, self.work, self.e = model, work, work.width
        number = float(work.tokens * work.width)
        self.stream = number * model.hidden_size  # (N, D)
        self.qkv = number * (model.num_heads + 2 * model.kv_heads) * model.head_size  # (N, H + 2K, C)
        self.qk = number * (model.num_heads + model.kv_heads) * model.head_size  # (N, H + K, C)
        self.hidden = number * model.mlp_size  # (N, F)
        self.scores = number * model.num_heads * work.context_length  # (B, H, T, T)
        self.logits = number * work.vocab_size  # (N, V)
        self.full = FP32 / work.width  # how much wider a number is in fp32
        # RMSNorm keeps its result, which the product after it shares, so that the stream is held besides;
        # LayerNorm keeps the stream itself, and the product keeps the result.
        rms = model.norm == "rmsnorm"
        self.held = self.stream if rms else 0.0
        self.normal = 0.0 if rms else self.stream
        # A CPU draws dropout as numbers to multiply with, a GPU as bytes.
        self.noise = (1.0 if work.device == "cpu" else 1.0 / work.width) if model.dropout else 0.0

    def stages(self) -> list[Stage]:
        """The whole forward pass."""
        block = [self._norm(), *self._attention(), self._norm(), *self._mlp()]
        if self.work.recomputes:
            block = [self._recomputed(block)]
        head, loss = self._head()
        before = [self._embedding(), *block * self.model.num_layers, self._norm(), head]
        # While an evaluation computes a batch's logits, those of the batch before are still there.
        return [*(stage._replace(evaluation=stage.evaluation + self.logits) for stage in before), loss]

    def _recomputed(self, block: list[Stage]) -> Stage:
        """A block of which only the input is kept, and which is gone through again in the backward pass."""
        once = max(stage.evaluation for stage in block)
        return Stage(
            keeps=self.stream,
            forward=once - self.stream,
            backward=self.stream,  # what comes from the block after it
            gradients=sum(stage.gradients for stage in block),
            evaluation=once,
            inside=tuple(block),
        )

    def _embedding(self) -> Stage:
        model, stream = self.model, self.stream
        found = stream * self.full  # rows of the fp32 table
        narrowed = stream if self.full > 1 else 0.0
        table = FP32 * model.hidden_size * self.work.vocab_size
        places = FP32 * model.hidden_size * self.work.context_length if model.position == "learned" else 0
        dropped = stream if model.dropout else 0.0
        # Where the table is the head as well, its two gradients are added into a third.
        scattered = found + table * (2 if model.tie_embeddings else 1)
        return Stage(
            keeps=stream * self.noise,
            forward=max(found + narrowed, stream + (stream if places else 0.0), stream + dropped),
            backward=max(stream + dropped, narrowed and found + stream, scattered) + places,
            gradients=places + table,
            evaluation=found + stream,
        )

    def _norm(self) -> Stage:
        model, tokens = self.model, self.work.tokens
        centred = model.norm == "layernorm"
        return Stage(
            keeps=self.stream + tokens * (2 * FP32 if centred else self.e),  # a mean and a scale, or a scale
            forward=self.stream + 2 * FP32 * tokens,
            backward=3 * self.stream,
            gradients=FP32 * model.hidden_size * (1 + model.bias) if centred else 0,
            evaluation=2 * self.stream,
        )

    def _linear(self, rows: int, columns: int, *, forward: float, waiting: float, evaluation: float) -> Stage:
        """x (N, columns) -> (N, rows). `forward` and `evaluation` count the result, `waiting` not the product's own
        gradients; weights are copied to the arithmetic of x."""
        tokens, copy = self.work.tokens * self.e, rows * columns * self.e if self.full > 1 else 0
        # The weight's gradient comes in that arithmetic first; the result's is let go before it is widened.
        narrow = rows * tokens + columns * tokens + rows * columns * self.e
        widened = columns * tokens + rows * columns * (self.e + FP32) if copy else 0
        gradients = FP32 * rows * (columns + self.model.bias)
        return Stage(copy, forward, waiting + max(narrow, widened), gradients, evaluation + copy)

    def _attention(self) -> list[Stage]:
        model, stream, qkv, qk = self.model, self.stream, self.qkv, self.qk
        width, rows = model.hidden_size, (model.num_heads + 2 * model.kv_heads) * model.head_size
        made = self._linear(rows, width, forward=self.held + qkv, waiting=stream, evaluation=2 * stream + qkv)
        # The gradients of queries and keys, and of values, are each padded to the whole and added.
        made = made._replace(keeps=made.keeps + self.normal, backward=max(made.backward, stream + 3 * qkv))
        stages = [made]
        if model.qk_norm:
            normalised = Stage(
                keeps=qk + qk / model.head_size,  # and a scale for each head
                forward=self.held + qkv,
                backward=stream + qkv + 2 * qk,
                evaluation=2 * stream + qkv + qk,
            )
            stages.append(normalised)
        halves = 2 * qk if model.position == "rotary" else 0.0  # products of the halves, before they are put together
        turned = Stage(
            keeps=0,
            forward=self.held + qkv + halves,
            backward=stream + qkv + 3 * qk,  # queries and keys, each padded to both, and their sum
            evaluation=2 * stream + qkv + (qk if model.qk_norm else 0.0) + halves,
        )
        attended, held, copy = self._attend()
        mixed = self._linear(width, width, forward=held + stream, waiting=0, evaluation=3 * stream + qkv + qk)
        mixed = mixed._replace(keeps=mixed.keeps + copy, forward=max(mixed.forward, self.held + 2 * stream))
        return [*stages, turned, attended, self._dropped(mixed)]

    def _attend(self) -> tuple[Stage, float, float]:
        """The attention itself, what is still held after it, and the copy of its output that is kept then."""
        model, work, stream, scores = self.model, self.work, self.stream, self.scores
        turned = self.qk if model.position == "rotary" else 0.0
        apart = self.qk if turned or model.qk_norm else 0.0  # else queries and keys are views of their product
        fused = work.device != "cpu" or work.precision == "fp32"  # attend() in the model says why
        evaluation = 3 * stream + self.qkv + apart + (0.0 if fused else 2 * stream + 2 * scores)
        if fused and not (work.device == "cpu" and model.dropout):
            # torch's fused kernel keeps its inputs, its output and a sum a row, and never T x T numbers.
            keeps = self.qkv + turned + stream + FP32 * work.tokens * model.num_heads
            return Stage(keeps, self.held, 2 * stream + self.qkv, evaluation=evaluation), self.held, 0.0
        # Product by product: queries, keys and values copied in order (one head's are in order), and every weight.
        copies = 3 * stream if model.num_heads > 1 else self.qkv + turned + stream
        dropped = scores + scores * self.noise if model.dropout else 0.0
        held = self.held + self.qkv + turned
        stage = Stage(
            keeps=copies + scores + dropped,
            forward=held + scores + 2 * stream,
            backward=4 * stream + (scores if dropped else 2 * scores),
            evaluation=evaluation,
        )
        return stage, held + stream, stream

    def _mlp(self) -> list[Stage]:
        model, stream, hidden = self.model, self.stream, self.hidden
        width, size = model.hidden_size, model.mlp_size
        match model.mlp:
            case "relu2":  # keeps relu(x), whose square goes on
                kept_before, kept, back, evaluated = 0.0, hidden, 2 * hidden, 3 * hidden
            case "gelu":  # keeps x
                kept_before, kept, back, evaluated = hidden, 0.0, 2 * hidden, 2 * hidden
            case "swiglu":  # keeps both factors and the gate before its SiLU
                kept_before, kept, back, evaluated = hidden, hidden, 3 * hidden, 3 * hidden
        held = 2 * self.held  # the block's input as well, which its caller holds
        passing = held + hidden - kept_before
        up = self._linear(size, width, forward=passing, waiting=stream, evaluation=3 * stream + hidden)
        up = up._replace(keeps=up.keeps + kept_before)
        ups = [up._replace(keeps=up.keeps + self.normal)]
        if model.mlp == "swiglu":
            ups.append(up._replace(backward=up.backward + hidden))
        activated = Stage(kept, passing + hidden, stream + back, evaluation=3 * stream + evaluated)
        down = self._linear(width, size, forward=held + 2 * stream, waiting=0, evaluation=3 * stream + hidden)
        return [*ups, activated, self._dropped(down._replace(keeps=down.keeps + hidden))]

    def _dropped(self, stage: Stage) -> Stage:
        """A branch's last product, with dropout on what it adds to the stream."""
        if not self.noise:
            return stage
        return stage._replace(
            keeps=stage.keeps + self.stream * self.noise,
            forward=stage.forward + self.stream,
            backward=stage.backward + self.stream * (1 - self.noise),
        )

    def _head(self) -> tuple[Stage, Stage]:
        model, logits = self.model, self.logits
        capped = logits if model.logit_softcap else 0.0  # tanh keeps its result
        head = self._linear(
            self.work.vocab_size,
            model.hidden_size,
            forward=self.held + logits + capped,
            waiting=capped,
            evaluation=self.stream + logits + 2 * capped,
        )
        table = FP32 * self.work.vocab_size * model.hidden_size
        head = head._replace(
            keeps=head.keeps + capped + self.normal,
            gradients=0 if model.tie_embeddings else table,
            waits=table if model.tie_embeddings else 0,
        )
        full = logits * self.full
        widened = full if self.full > 1 else 0.0
        # An evaluation has its log-probabilities in pieces.
        measuring = logits + FP32 * logits_at_once(self.work) * (2 if widened else 1)
        if goes_in_pieces(self.work):
            loss = loss_in_pieces(
                self.work,
                model.hidden_size,
                tied=model.tie_embeddings,
                softcap=model.logit_softcap > 0,
                held=self.held + self.normal,
                evaluation=measuring,
            )
            return Stage(0, 0, 0, evaluation=head.evaluation), loss
        loss = Stage(
            keeps=full,  # log-probabilities
            forward=self.held + logits + widened,
            backward=2 * full,
            evaluation=measuring,
        )
        return head, loss
