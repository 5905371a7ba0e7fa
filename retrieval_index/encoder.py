"""Texts to unit vectors by a Hugging Face encoder, on the GPU where there is one."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from retrieval_index.folder import checksum
from retrieval_index.literal import literal
from schemas.corpus_settings import EncoderSettings
from schemas.errors import BadInput

_TEXTS_AT_ONCE = 64


def digest_of(settings: EncoderSettings) -> str:
    """The digest of an encoder's files, names included.

    Raises:
        BadInput: there is no such folder.
    """
    folder = Path(settings.path)
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder}: no encoder: give the folder of a Hugging Face model")
    digest = xxhash.xxh3_128()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{path.name} {checksum(path)}\n".encode())
    return digest.hexdigest()


class _Tokenizer:
    """A published tokenizer that reads every text as text, and gives what its model reads of a batch."""

    def __init__(self, published: Any, settings: EncoderSettings) -> None:
        self._names: list[str] = published.model_input_names
        self._tokenizer = literal(published.backend_tokenizer)
        self._tokenizer.enable_truncation(settings.max_tokens, direction=published.truncation_side)
        self._tokenizer.enable_padding(
            direction=published.padding_side,
            pad_id=published.pad_token_id or 0,
            pad_type_id=published.pad_token_type_id,
        )

    def inputs(self, texts: list[str]) -> dict[str, list[list[int]]]:
        """By the names of the model's arguments, a row for every text, all as long as the longest."""
        encoded = self._tokenizer.encode_batch(texts)
        made = {
            "input_ids": [row.ids for row in encoded],
            "attention_mask": [row.attention_mask for row in encoded],
            "token_type_ids": [row.type_ids for row in encoded],
        }
        return {name: rows for name, rows in made.items() if name in self._names}


class Encoder:
    """One loaded encoder, for any number of threads: they wait for each other."""

    def __init__(self, settings: EncoderSettings) -> None:
        """Raises BadInput where the folder holds no model that transformers can load."""
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._settings = settings
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._encoding = threading.Lock()
        try:
            self._tokenizer = _Tokenizer(AutoTokenizer.from_pretrained(settings.path, local_files_only=True), settings)
            self._model: Any = AutoModel.from_pretrained(settings.path, local_files_only=True).to(self._device).eval()
        except (OSError, ValueError) as error:
            raise BadInput(f"{settings.path}: no encoder that loads: {' '.join(str(error).split())[:200]}") from None
        self.dimensions: int = self._model.config.hidden_size

    def passages(self, texts: list[str]) -> np.ndarray:
        """Unit vectors, float32 of shape (texts, dimensions)."""
        return self._encoded([self._settings.passage_prefix + text for text in texts])

    def queries(self, texts: list[str]) -> np.ndarray:
        """As `passages`, with the prefix of queries."""
        return self._encoded([self._settings.query_prefix + text for text in texts])

    def _encoded(self, texts: list[str]) -> np.ndarray:
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # batches with little padding
        with self._encoding:
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                places = by_length[start : start + _TEXTS_AT_ONCE]
                vectors[places] = self._batch([texts[place] for place in places])
        return vectors

    def _batch(self, texts: list[str]) -> np.ndarray:
        import torch

        inputs = {
            name: torch.tensor(rows, device=self._device)
            for name, rows in self._tokenizer.inputs(
                [text.encode("utf-8", "replace").decode() for text in texts]
            ).items()
        }
        with torch.inference_mode():
            states_BTD = self._model(**inputs).last_hidden_state.float()
            if self._settings.pooling == "first":
                pooled_BD = states_BTD[:, 0]
            else:
                mask_BT1 = inputs["attention_mask"].unsqueeze(-1).float()
                pooled_BD = (states_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1)
            return torch.nn.functional.normalize(pooled_BD, dim=-1).cpu().numpy()
