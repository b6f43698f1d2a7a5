"""The published families at a size that tests can afford: pipelines of diffusers with every part, random weights.

Videos are 32x48 pixels; the tokenizer is made here, so that nothing is fetched.
"""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
)
from tests.video import tiny
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

WIDTH, HEIGHT = 32, 48
TEXT_DIM = 16
WORDS = ("a", "person", "walks", "run", "s", "away", "blurred")
T5 = {
    "vocab_size": 16,
    "d_model": TEXT_DIM,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 2,
    "num_heads": 2,
}


def tokenizer() -> T5Tokenizer:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0)]
    return T5Tokenizer(vocab=[*special, *((f"▁{word}", -1.0) for word in WORDS)], extra_ids=0)


def cogvideox_pipeline(
    picture: bool = False, dpm: bool = False, rotary: bool = True
) -> CogVideoXPipeline | CogVideoXImageToVideoPipeline:
    """CogVideoX-5B's form; with `picture` that of 5B-I2V, without `rotary` that of 2B."""
    torch.manual_seed(11)
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
        invert_scale_latents=picture,
    )
    schedule = {
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": True,
        "set_alpha_to_one": True,
        "snr_shift_scale": 1.0,
    }
    parts = {
        "tokenizer": tokenizer(),
        "text_encoder": T5EncoderModel(T5Config(**T5)).eval(),
        "vae": vae.eval(),
        "transformer": tiny.cogvideox(
            in_channels=8 if picture else 4,
            max_text_seq_length=226,
            use_rotary_positional_embeddings=rotary,
            use_learned_positional_embeddings=picture,
        ),
        "scheduler": (CogVideoXDPMScheduler if dpm else CogVideoXDDIMScheduler)(**schedule),
    }
    return quiet((CogVideoXImageToVideoPipeline if picture else CogVideoXPipeline)(**parts))


def wan_vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=3,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[-0.7, 0.1, 0.2, -0.3],
        latents_std=[1.5, 0.9, 2.0, 1.1],
    ).eval()


def wan_text() -> dict[str, object]:
    """Tokenizer, text encoder and scheduler of Wan."""
    return {
        "tokenizer": tokenizer(),
        "text_encoder": UMT5EncoderModel(UMT5Config(**T5)).eval(),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }


def wan_pipeline(picture: bool = False) -> WanPipeline | WanImageToVideoPipeline:
    """Wan 2.1's form; with `picture` that of I2V, which reads CLIP states too."""
    torch.manual_seed(12)
    vae = wan_vae()
    parts = {"vae": vae, **wan_text()}
    if not picture:
        return quiet(WanPipeline(transformer=tiny.wan(), **parts))
    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    return quiet(
        WanImageToVideoPipeline(
            transformer=tiny.wan(in_channels=12, image_dim=8, added_kv_proj_dim=64),
            image_encoder=CLIPVisionModel(vision).eval(),
            image_processor=CLIPImageProcessor(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ),
            **parts,
        )
    )


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
