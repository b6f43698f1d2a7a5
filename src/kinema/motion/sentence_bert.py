"""BERT (1810.04805) as all-MiniLM-L6-v2 is saved: token ids in, token states out.

transformers' own class gives the same numbers (a test holds them equal) after two seconds of imports that nothing else
here needs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional


class SentenceBert(nn.Module):
    """The encoder, frozen.

    Args:
        config: of transformers' BertModel: sizes by name.
    """

    def __init__(self, config: dict[str, int | float]) -> None:
        super().__init__()
        width, eps = int(config["hidden_size"]), float(config["layer_norm_eps"])
        self.words = nn.Embedding(int(config["vocab_size"]), width, padding_idx=0)
        self.positions = nn.Embedding(int(config["max_position_embeddings"]), width)
        self.kinds = nn.Embedding(int(config["type_vocab_size"]), width)
        self.norm = nn.LayerNorm(width, eps=eps)
        heads, inner = int(config["num_attention_heads"]), int(config["intermediate_size"])
        count = int(config["num_hidden_layers"])
        self.layers = nn.ModuleList(_Layer(width, heads, inner, eps) for _ in range(count))

    @property
    def device(self) -> torch.device:
        return self.words.weight.device

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The encoder of a folder with transformers' `config.json` and `model.safetensors`.

        Raises:
            ValueError: the weights are not those of such an encoder.
        """
        place = Path(folder)
        with torch.device("meta"):
            made = cls(json.loads((place / "config.json").read_text(encoding="utf-8")))
        state = {}
        for name, tensor in load_file(place / "model.safetensors").items():
            for theirs, ours in _NAMES:
                name = name.replace(theirs, ours)
            if not name.startswith(("pooler.", "embeddings.position_ids")):
                state[name] = tensor
        try:
            made.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise ValueError(f"{place}: not the weights of a sentence encoder: {error}") from None
        return made.eval().requires_grad_(False)

    def forward(self, ids_BL: torch.Tensor, keep_BL: torch.Tensor) -> torch.Tensor:
        """Token states [B, L, D] of token ids; where `keep_BL` is False there is padding."""
        at = torch.arange(ids_BL.shape[1], device=ids_BL.device)
        hidden = self.words(ids_BL) + self.kinds(torch.zeros_like(ids_BL))
        hidden = self.norm(hidden + self.positions(at)[None])
        mask = keep_BL[:, None, None].expand(-1, 1, ids_BL.shape[1], -1)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm_attention = nn.LayerNorm(width, eps=eps)
        self.feed_in, self.feed_out = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm_feed = nn.LayerNorm(width, eps=eps)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            each(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        hidden = self.norm_attention(self.out(attended.transpose(1, 2).flatten(2)) + hidden)
        return self.norm_feed(self.feed_out(functional.gelu(self.feed_in(hidden))) + hidden)


_NAMES = (
    ("encoder.layer.", "layers."),
    ("embeddings.word_embeddings", "words"),
    ("embeddings.position_embeddings", "positions"),
    ("embeddings.token_type_embeddings", "kinds"),
    ("embeddings.LayerNorm", "norm"),
    ("attention.self.", ""),
    ("attention.output.dense", "out"),
    ("attention.output.LayerNorm", "norm_attention"),
    ("intermediate.dense", "feed_in"),
    ("output.dense", "feed_out"),
    ("output.LayerNorm", "norm_feed"),
)
"""transformers' names of the weights and the ones here."""
