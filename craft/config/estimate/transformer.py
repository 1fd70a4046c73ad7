"""The transformer's weights, products and memory: craft/models/transformer.py, in numbers.

Letters: B sequences, T context, N = B x T tokens in memory at once, D width, H query heads, K key/value heads, C head
width, F width of the MLP, V vocabulary.
"""

from __future__ import annotations

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

    A stage's `forward` counts the residual stream and what the model's functions still hold by name; `backward` counts
    the gradient of the residual stream, which waits while a branch is gone through.
    """

    def __init__(self, model: TransformerConfig, work: Workload) -> None:
        self.model, self.work, self.e = model, work, work.width
        number = work.tokens * work.width
        self.stream = number * model.hidden_size  # (N, D)
        self.qkv = number * (model.num_heads + 2 * model.kv_heads) * model.head_size  # (N, H + 2K, C)
        self.qk = number * (model.num_heads + model.kv_heads) * model.head_size  # (N, H + K, C)
        self.hidden = number * model.mlp_size  # (N, F)
        self.scores = number * model.num_heads * work.context_length  # (B, H, T, T)
        self.logits = number * work.vocab_size  # (N, V)
        self.rms = model.norm == "rmsnorm"
        # RMSNorm keeps its result, which the product after it shares, so that the stream is held besides;
        # LayerNorm keeps the stream itself, and the product keeps the result.
        self.held = self.stream if self.rms else 0
        self.normal = 0 if self.rms else self.stream
        # A CPU draws dropout as numbers to multiply with, a GPU as bytes.
        self.noise = (1 if work.device == "cpu" else 1 / self.e) if model.dropout else 0

    def stages(self) -> list[Stage]:
        """The whole forward pass."""
        block = [self._norm(), *self._attention(), self._norm(), *self._mlp()]
        return [self._embedding(), *block * self.model.num_layers, self._norm(), *self._head()]

    def _embedding(self) -> Stage:
        model, work = self.model, self.work
        full, low = self.stream * FP32 / self.e, self.e < FP32
        table = FP32 * model.hidden_size * work.vocab_size
        places = FP32 * model.hidden_size * work.context_length if model.position == "learned" else 0
        sums = self.stream if places else 0
        noise = self.stream * self.noise
        forward = max(full + (self.stream if low else 0), self.stream + sums, self.stream + bool(noise) * self.stream)
        backward = self.stream + bool(noise) * self.stream
        # Where the table is the head as well, the two gradients are added into a third.
        backward = max(backward, full * low + self.stream, full + table * (2 if model.tie_embeddings else 1))
        gradients = places + table
        return Stage(noise, forward, backward + places, gradients, full + self.stream)

    def _norm(self) -> Stage:
        scale = self.work.tokens * (self.e if self.rms else 2 * FP32)
        gradients = 0 if self.rms else FP32 * self.model.hidden_size * (2 if self.model.bias else 1)
        forward = self.stream + 2 * FP32 * self.work.tokens
        return Stage(self.stream + scale, forward, 3 * self.stream, gradients, 2 * self.stream)

    def _linear(self, rows: int, columns: int, forward: float, waiting: float, evaluation: float) -> Stage:
        """x (N, columns) -> (N, rows). `waiting` gradients are there while it goes backward, its own not counted."""
        numbers = self.work.tokens * self.e
        copy = rows * columns * self.e if self.e < FP32 else 0
        # The weight's gradient comes in the arithmetic's width first; the result's is let go before it is widened.
        narrow = rows * numbers + columns * numbers + rows * columns * self.e
        widened = columns * numbers + rows * columns * (self.e + FP32) if copy else 0
        gradients = FP32 * rows * (columns + self.model.bias)
        return Stage(copy, forward, waiting + max(narrow, widened), gradients, evaluation + copy)

    def _attention(self) -> list[Stage]:
        model, stream, qkv, qk = self.model, self.stream, self.qkv, self.qk
        width, tokens = model.hidden_size, self.work.tokens
        project = self._linear(qkv // (tokens * self.e), width, self.held + qkv, stream, 2 * stream + qkv)
        # The gradients of queries and keys, and of values, are each padded to the whole and added.
        project = project._replace(keeps=project.keeps + self.normal, backward=max(project.backward, stream + 3 * qkv))
        stages = [project]
        if model.qk_norm:
            scale = qk / model.head_size
            backward = stream + qkv + 2 * qk
            stages.append(Stage(qk + scale, self.held + qkv, backward, 0, 2 * stream + qkv + qk))
        rotary = 2 * qk if model.position == "rotary" else 0
        # Going back, the parts of queries and keys are padded to their whole, and added, before they are turned.
        stages.append(
            Stage(0, self.held + qkv + rotary, stream + qkv + 3 * qk, 0, 2 * stream + qkv + qk * model.qk_norm + rotary)
        )
        attend, mixed, copied = self._attend()
        project = self._linear(width, width, mixed + stream, 0, 3 * stream + qkv + qk)
        project = project._replace(keeps=project.keeps + copied, forward=max(project.forward, self.held + 2 * stream))
        return [*stages, attend, self._dropped(project)]

    def _attend(self) -> tuple[Stage, float, float]:
        """The attention itself, what is still held after it, and the copy of its output that is kept then."""
        model, work, stream, scores = self.model, self.work, self.stream, self.scores
        turned = self.qk if model.position == "rotary" else 0
        held = self.held + self.qkv + turned
        before = 2 * stream + self.qkv + self.qk
        fused = work.device != "cpu" or self.e == FP32
        evaluation = before + stream + (0 if fused else 2 * stream + 2 * scores)
        if fused and not (work.device == "cpu" and model.dropout):
            # torch's fused kernel keeps its inputs, its output and a sum a row, and never T x T numbers.
            keeps = self.qkv + turned + stream + FP32 * work.tokens * model.num_heads
            return Stage(keeps, self.held, 2 * stream + self.qkv, 0, evaluation), self.held, 0
        # Product by product: queries, keys and values copied in order (one head's are in order), and every weight.
        copies = 3 * stream if model.num_heads > 1 else self.qkv + turned + stream
        dropped = scores + scores * self.noise if model.dropout else 0
        backward = 4 * stream + (scores if dropped else 2 * scores)
        stage = Stage(copies + scores + dropped, held + scores + 2 * stream, backward, 0, evaluation)
        return stage, held + stream, stream

    def _mlp(self) -> list[Stage]:
        model, stream, hidden = self.model, self.stream, self.hidden
        width, size = model.hidden_size, model.mlp_size
        match model.mlp:
            case "relu2":  # keeps relu(x), whose square goes on
                up_kept, kept, back, evaluated = 0.0, hidden, 2 * hidden, 3 * hidden
            case "gelu":  # keeps x
                up_kept, kept, back, evaluated = hidden, 0.0, 2 * hidden, 2 * hidden
            case "swiglu":  # keeps both factors and the gate before its SiLU
                up_kept, kept, back, evaluated = hidden, hidden, 3 * hidden, 3 * hidden
        held = 2 * self.held  # the block's input as well, which its caller holds
        passing = held + hidden - up_kept
        up = self._linear(size, width, passing, stream, 3 * stream + hidden)
        up = up._replace(keeps=up.keeps + up_kept)
        first = up._replace(keeps=up.keeps + self.normal)
        ups = [first, up._replace(backward=up.backward + hidden)] if model.mlp == "swiglu" else [first]
        activation = Stage(kept, passing + hidden, stream + back, 0, 3 * stream + evaluated)
        down = self._linear(width, size, held + 2 * stream, 0, 3 * stream + hidden)
        down = down._replace(keeps=down.keeps + hidden)
        return [*ups, activation, self._dropped(down)]

    def _dropped(self, stage: Stage) -> Stage:
        """A branch's last product, with dropout on what it adds to the stream."""
        if not self.noise:
            return stage
        return stage._replace(
            keeps=stage.keeps + self.stream * self.noise,
            forward=stage.forward + self.stream,
            backward=stage.backward + self.stream * (1 - self.noise),
        )

    def _head(self) -> list[Stage]:
        model, work, logits = self.model, self.work, self.logits
        capped = logits if model.logit_softcap else 0
        full = logits * FP32 / self.e
        widened = full if self.e < FP32 else 0
        evaluated = self.stream + logits + 2 * capped
        head = self._linear(work.vocab_size, model.hidden_size, self.held + logits + capped, 0, evaluated)
        table = FP32 * work.vocab_size * model.hidden_size
        tied = model.tie_embeddings
        head = head._replace(
            keeps=head.keeps + capped + self.normal,
            backward=head.backward + capped,
            gradients=0 if tied else table,
            waits=table if tied else 0,
        )
        loss = Stage(full, self.held + logits + widened, 2 * full, 0, logits + widened + full)
        return [head, loss]
