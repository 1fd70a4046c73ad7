"""Text to batches: corpora, tokenizers, datasets."""

from craft.data.batches import EvalWindows, TrainBatches
from craft.data.datasets import BaseDataset, TextDataset, create_dataset_from_config
from craft.data.prepare import PreparedData, prepare
from craft.data.tokenizers import ByteTokenizer, CharTokenizer, Tokenizer, load_tokenizer

__all__ = [
    "BaseDataset",
    "ByteTokenizer",
    "CharTokenizer",
    "EvalWindows",
    "PreparedData",
    "TextDataset",
    "Tokenizer",
    "TrainBatches",
    "create_dataset_from_config",
    "load_tokenizer",
    "prepare",
]
