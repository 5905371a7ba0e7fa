"""Texts to unit vectors by a Hugging Face encoder, on the GPU where there is one."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from retrieval_index.folder import checksum
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
            self._tokenizer: Any = AutoTokenizer.from_pretrained(settings.path, local_files_only=True)
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

        inputs = self._tokenizer(
            [text.encode("utf-8", "replace").decode() for text in texts],
            padding=True,
            truncation=True,
            max_length=self._settings.max_tokens,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            states_BTD = self._model(**inputs).last_hidden_state.float()
            if self._settings.pooling == "first":
                pooled_BD = states_BTD[:, 0]
            else:
                mask_BT1 = inputs["attention_mask"].unsqueeze(-1).float()
                pooled_BD = (states_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1)
            return torch.nn.functional.normalize(pooled_BD, dim=-1).cpu().numpy()
