"""Prompts as token states of the T5 family, under the two rules that video models were trained with."""

from __future__ import annotations

import html
import re
from typing import Any

import torch


def padded_states(
    tokenizer: Any, encoder: Any, prompt: str, tokens: int, device: torch.device
) -> torch.Tensor:
    """CogVideoX's rule: padding passes through the encoder like words. [1, tokens, D]."""
    words = _words(tokenizer, prompt, tokens)
    return encoder(words.input_ids.to(device))[0]


def cut_states(tokenizer: Any, encoder: Any, prompt: str, tokens: int, device: torch.device) -> torch.Tensor:
    """Wan's rule: the encoder does not see padding, and its states are zeros there. [1, tokens, D]."""
    words = _words(tokenizer, re.sub(r"\s+", " ", html.unescape(html.unescape(prompt))).strip(), tokens)
    mask = words.attention_mask.to(device)
    states = encoder(words.input_ids.to(device), mask).last_hidden_state
    return states * mask.to(states)[..., None]


def _words(tokenizer: Any, prompt: str, tokens: int) -> Any:
    return tokenizer(
        [prompt],
        padding="max_length",
        max_length=tokens,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
