"""BERT (1810.04805) as all-MiniLM-L6-v2 is saved: token ids in, token states out.

transformers' own class gives the same numbers (a test holds them equal) after two seconds of imports that nothing else
here needs. Weights stay mapped from their file.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention


class SentenceBert:
    """The encoder, frozen, on the CPU.

    Args:
        folder: with transformers' `config.json` and `model.safetensors`.
    """

    def __init__(self, folder: str | Path) -> None:
        place = Path(folder)
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
        self.heads: int = config["num_attention_heads"]
        self.layers: int = config["num_hidden_layers"]
        self.eps: float = config["layer_norm_eps"]
        self.weights = load_file(place / "model.safetensors")

    @torch.no_grad()
    def __call__(self, ids_BL: torch.Tensor, keep_BL: torch.Tensor) -> torch.Tensor:
        """Token states [B, L, D] of token ids; where `keep_BL` is False there is padding."""
        weights, length = self.weights, ids_BL.shape[1]
        hidden = embedding(ids_BL, weights["embeddings.word_embeddings.weight"])
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][:length]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        mask = keep_BL[:, None, None].expand(-1, 1, length, -1)
        for number in range(self.layers):
            hidden = self._layer(hidden, mask, f"encoder.layer.{number}")
        return hidden

    def _layer(self, hidden: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
        query, key, value = (
            self._linear(hidden, f"{name}.attention.self.{each}")
            .unflatten(-1, (self.heads, -1))
            .transpose(1, 2)
            for each in ("query", "key", "value")
        )
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        attended = self._linear(attended, f"{name}.attention.output.dense")
        hidden = self._norm(attended + hidden, f"{name}.attention.output.LayerNorm")
        fed = gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._norm(self._linear(fed, f"{name}.output.dense") + hidden, f"{name}.output.LayerNorm")

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return layer_norm(
            x, x.shape[-1:], self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], self.eps
        )
