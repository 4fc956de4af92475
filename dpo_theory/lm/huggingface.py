"""Any Hugging Face causal language model as a `CausalLM`: an object, or a local folder; nothing is ever downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["HuggingFaceLM", "load_folder"]

INSTALL = "this needs transformers: pip install 'dpo-theory[hf]'"


class CachedNodes(NamedTuple):
    """N prefixes of equal length, their next-token log-probabilities (N, V) and the model's own cache, one row each."""

    log_probs: Tensor
    cache: Any
    position: int


class HuggingFaceLM(nn.Module):
    """A causal model of transformers, asked for next-token log-probabilities through its own key-value cache.

    Args:
        model: a model whose call takes `input_ids`, `past_key_values`, `use_cache` and returns `.logits` and `.past_key_values`.

    Raises:
        ValueError: the model returns no logits over tokens.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.eval()
        self.vocab = int(model.config.get_text_config().vocab_size)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) tokens -> (B, L, V) log-probabilities of the next token."""
        return self._log_probs(self.model(input_ids=tokens, use_cache=False).logits)

    def start(self, prompt: Tensor) -> CachedNodes:
        """The one node of a prompt (T,)."""
        if prompt.ndim != 1 or not len(prompt):
            raise ValueError(f"a prompt has shape {tuple(prompt.shape)}, expected (T,) with T >= 1: begin with a start token.")
        out = self.model(input_ids=prompt[None], use_cache=True)
        return CachedNodes(self._log_probs(out.logits[:, -1]), out.past_key_values, len(prompt))

    def extend(self, nodes: CachedNodes, tokens: Tensor) -> CachedNodes:
        """The N * C nodes in which every node is followed by each of `tokens` (C,), node-major."""
        owner = torch.arange(len(nodes.log_probs), device=tokens.device).repeat_interleave(len(tokens))
        cache = _rows(nodes.cache, owner)
        ids = tokens.repeat(len(nodes.log_probs))[:, None]
        out = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
        return CachedNodes(self._log_probs(out.logits[:, -1]), out.past_key_values, nodes.position + 1)

    def select(self, nodes: CachedNodes, start: int, stop: int) -> CachedNodes:
        """The consecutive nodes start, ..., stop - 1."""
        rows = torch.arange(start, stop, device=nodes.log_probs.device)
        return CachedNodes(nodes.log_probs[start:stop], _rows(nodes.cache, rows), nodes.position)

    def _log_probs(self, logits: Tensor) -> Tensor:
        logits = logits[..., : self.vocab]
        return torch.log_softmax(logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits, dim=-1)


def _rows(cache: Any, rows: Tensor) -> Any:
    """A cache of its own that holds the given rows; the old one stays as it is."""
    from copy import deepcopy

    held = deepcopy(cache)
    held.batch_select_indices(rows)
    return held


def load_folder(folder: str | Path, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> tuple[HuggingFaceLM, Any]:
    """The model and the tokenizer of a local folder, as `save_pretrained` writes them.

    Args:
        folder: a folder with config.json, weights and a tokenizer.
        dtype: of the weights.
        device: where they go.

    Returns:
        The model as a `CausalLM`, and its tokenizer.

    Raises:
        ValueError: the folder is missing or no model, or its tokenizer has tokens that the model does not know.
        ModuleNotFoundError: transformers is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: pass a local folder as save_pretrained writes it; nothing is downloaded.")
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder} holds no config.json: it is no model folder; save one with model.save_pretrained and tokenizer.save_pretrained."
        )
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(INSTALL) from error
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"{folder} does not load as a causal language model: {str(error).splitlines()[0]}") from error
    lm = HuggingFaceLM(model).to(device)
    if len(tokenizer) > lm.vocab:
        raise ValueError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens, the model {lm.vocab}: they do not belong together; "
            "resize the model's embeddings or take its own tokenizer."
        )
    return lm, tokenizer
