"""Unit vectors of texts from a Hugging Face encoder, on the GPU if there is one."""

import json
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
_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")
"""Names under which configs hold the length of the longest sequence that a model reads."""
_COUNT_FROM_PADDING = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text", "xmod", "ibert"}
)
"""Models whose first position has the number after the padding id."""


def digest_of(settings: EncoderSettings) -> str:
    """The digest of the names and contents of an encoder's files.

    Raises:
        BadInput: the folder has no config.json.
    """
    folder = Path(settings.path)
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder}: no encoder: give the folder of a Hugging Face model")
    digest = xxhash.xxh3_128()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{path.name} {checksum(path)}\n".encode())
    return digest.hexdigest()


def positions_of(folder: str) -> int | None:
    """The most tokens that an encoder reads, from its config.json; None if the file names no limit.

    Raises:
        BadInput: the file is missing, or is not a JSON object.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_bytes())
        limits: list[int] = [config[n] for n in _POSITIONS if isinstance(config.get(n), int) and config[n] > 0]
    except OSError:
        raise BadInput(f"{folder}: no encoder: give the folder of a Hugging Face model") from None
    except (ValueError, AttributeError):
        raise BadInput(
            f"{path}: not a model's config, because it is not a JSON object: give the folder of a Hugging Face model"
        ) from None
    if not limits:
        return None
    padding: int | None = config.get("pad_token_id")
    first = 1 + (1 if padding is None else padding) if config.get("model_type") in _COUNT_FROM_PADDING else 0
    return min(limits) - first


def refuse_long_texts(folder: str, max_tokens: int) -> None:
    """Raises BadInput if texts may be longer than the encoder reads."""
    positions = positions_of(folder)
    if positions is not None and max_tokens > positions:
        raise BadInput(
            f"encoder.max_tokens is {max_tokens}, but {folder} reads at most {positions} tokens: "
            f"set {positions} or less"
        )


class Encoder:
    """A loaded encoder. Several threads may use it; they take turns.

    A text has the same vector alone and in any batch, because this class pads sequences itself, at their end, and masks
    the padding. It ignores the tokenizer's own settings for padding.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        """Raises BadInput if transformers cannot load model and tokenizer, or texts may be too long for the model."""
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        refuse_long_texts(settings.path, settings.max_tokens)
        logging.disable_progress_bar()
        self._settings = settings
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._encoding = threading.Lock()
        try:
            published: Any = AutoTokenizer.from_pretrained(settings.path, local_files_only=True)
            model: Any = AutoModel.from_pretrained(settings.path, local_files_only=True, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{settings.path}: the encoder does not load: {' '.join(str(error).split())[:200]}"
            ) from None
        self._refuse_unfit_tokenizer(published, model.get_input_embeddings().num_embeddings)
        self._tokenizer = literal(published.backend_tokenizer)
        self._tokenizer.enable_truncation(settings.max_tokens, direction=published.truncation_side)
        encoder = model.get_encoder() if model.config.is_encoder_decoder else model
        self._model: Any = encoder.to(self._device).eval()
        self._padding = _padding_id(model.config, published)
        self.dimensions: int = model.config.hidden_size

    def _refuse_unfit_tokenizer(self, published: Any, embeddings: int) -> None:
        path, added = self._settings.path, published.num_special_tokens_to_add()
        if not published.is_fast:
            raise BadInput(f"{path}: tokenizer.json is missing: save the encoder's fast tokenizer there")
        if len(published) > embeddings:
            raise BadInput(
                f"{path}: the tokenizer has {len(published)} ids, but the model embeds only {embeddings}: use the "
                "tokenizer that belongs to the model"
            )
        if self._settings.max_tokens <= added:
            raise BadInput(
                f"encoder.max_tokens is {self._settings.max_tokens}, but {path} adds {added} tokens to every text: "
                f"set {added + 1} or more"
            )

    def passages(self, texts: list[str]) -> np.ndarray:
        """Unit vectors, float32 of shape (texts, dimensions); zeros for a text without a token."""
        return self._encoded([self._settings.passage_prefix + text for text in texts])

    def queries(self, texts: list[str]) -> np.ndarray:
        """As `passages`, with the prefix for queries."""
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

        encodings = self._tokenizer.encode_batch([text.encode("utf-8", "replace").decode() for text in texts])
        lengths_B = torch.tensor([len(encoding.ids) for encoding in encodings], device=self._device)
        longest = max(1, *(len(encoding.ids) for encoding in encodings))
        ids = [[*encoding.ids, *[self._padding] * (longest - len(encoding.ids))] for encoding in encodings]
        ids_BT = torch.tensor(ids, device=self._device)
        mask_BT = (torch.arange(longest, device=self._device) < lengths_B[:, None]).long()
        with torch.inference_mode():
            states_BTD = self._model(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state.float()
            if self._settings.pooling == "first":
                pooled_BD = states_BTD[:, 0]
            else:
                pooled_BD = (states_BTD * mask_BT[:, :, None]).sum(1)
            pooled_BD = torch.where(lengths_B[:, None] > 0, pooled_BD, 0.0)
            return torch.nn.functional.normalize(pooled_BD, dim=-1).cpu().numpy()


def _padding_id(config: Any, tokenizer: Any) -> int:
    """The padding id. Padding is masked, so most models accept any id, but some count positions by this id."""
    for padding in (config.pad_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(padding, int) and padding >= 0:
            return padding
    return 0
