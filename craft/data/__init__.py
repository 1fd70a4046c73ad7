"""Text to batches: corpora, tokenizers, datasets."""

from craft.data.batches import EvalWindows, TrainBatches
from craft.data.datasets import BaseDataset, ItemDataset, TextDataset
from craft.data.export import write_tokens
from craft.data.prepare import PreparedData, create_dataset_from_config, prepare
from craft.data.token_files import PickledDataset
from craft.data.tokenizers import ByteTokenizer, CharTokenizer, Tokenizer, load_tokenizer

__all__ = [
    "BaseDataset",
    "ByteTokenizer",
    "CharTokenizer",
    "EvalWindows",
    "ItemDataset",
    "PickledDataset",
    "PreparedData",
    "TextDataset",
    "Tokenizer",
    "TrainBatches",
    "create_dataset_from_config",
    "load_tokenizer",
    "prepare",
    "write_tokens",
]
