"""Our small BERT against transformers' own class, on the weights that are shipped."""

import torch
from transformers import AutoModel, AutoTokenizer

from kinema.motion.text import TextEncoder, _locate

PROMPTS = [
    "a person walks forward, then waves with the left hand",
    "",
    "jumps",
    "Läuft schnell im Kreis " * 9,
]


def test_states_are_those_of_transformers():
    folder, encoder = _locate(None), TextEncoder()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    for tokens in (20, 24):
        words = tokenizer(
            PROMPTS, padding="max_length", truncation=True, max_length=tokens, return_tensors="pt"
        )
        with torch.no_grad():
            expected = model(**words).last_hidden_state * words["attention_mask"].unsqueeze(-1)
        expected[1] = 0  # the empty prompt is all zeros
        assert torch.allclose(encoder(PROMPTS, tokens), expected, atol=1e-6)
