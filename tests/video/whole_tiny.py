"""Families with pipelines of their own at a size that tests can afford: every part, random weights."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2InContextPipeline,
    LTX2VideoTransformer3DModel,
    WanAnimate2Transformer3DModel,
)
from diffusers.modular_pipelines import WanAnimate2DistilledModularPipeline, WanAnimate2ModularPipeline
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from tests.video.published_tiny import T5, WORDS, tokenizer, wan_vae
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)


def wan_animate_2(distilled: bool = False) -> WanAnimate2ModularPipeline:
    torch.manual_seed(41)
    vae = wan_vae()
    vision = CLIPVisionConfig(
        hidden_size=1280,  # which the transformer's projection of pictures has fixed
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=224,
        patch_size=112,
    )
    transformer = WanAnimate2Transformer3DModel(
        text_len=16,
        in_dim=12,
        dim=48,
        ffn_dim=32,
        freq_dim=32,
        text_dim=T5["d_model"],
        out_dim=4,
        num_heads=2,
        num_layers=2,
    )
    for name, weights in transformer.named_parameters():  # published ones do say something
        if name.startswith("head."):
            torch.nn.init.normal_(weights, std=0.3)
    parts = {
        "tokenizer": tokenizer(),
        "text_encoder": UMT5EncoderModel(UMT5Config(**T5)).eval(),
        "image_encoder": CLIPVisionModel(vision).eval(),
        "vae": vae.eval(),
        "transformer": transformer.eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
    }
    made = (WanAnimate2DistilledModularPipeline if distilled else WanAnimate2ModularPipeline)()
    made.update_components(**parts)
    return made


def ltx2(distilled: bool = False) -> LTX2InContextPipeline:
    """LTX-2.3's form."""
    text = Gemma3TextConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=64,
    )
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(43)
    encoder = Gemma3ForConditionalGeneration(
        Gemma3Config(text_config=text, vision_config={**vision, "image_size": 28, "patch_size": 14})
    ).eval()
    connector = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1}
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=4,
        output_channels=2,
        ch_mult=(1,),
        num_res_blocks=1,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        mid_block_add_attention=False,
        sample_rate=16000,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=8,
    )
    made = LTX2InContextPipeline(
        transformer=LTX2VideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            audio_in_channels=4,
            audio_out_channels=4,
            audio_num_attention_heads=2,
            audio_attention_head_dim=4,
            audio_cross_attention_dim=8,
            num_layers=2,
            caption_channels=16,
            rope_double_precision=False,
            rope_type="split",
        ).eval(),
        connectors=LTX2TextConnectors(
            caption_channels=16,
            text_proj_in_factor=3,
            **{
                f"{kind}_connector_{name}": value
                for kind in ("video", "audio")
                for name, value in connector.items()
            },
            video_connector_num_learnable_registers=None,
            audio_connector_num_learnable_registers=None,
            connector_rope_base_seq_len=32,
            rope_double_precision=False,
            causal_temporal_positioning=False,
            rope_type="split",
        ).eval(),
        vae=AutoencoderKLLTX2Video(
            latent_channels=4,
            block_out_channels=(8,),
            decoder_block_out_channels=(8,),
            layers_per_block=(1,),
            decoder_layers_per_block=(1, 1),
            spatio_temporal_scaling=(True,),
            decoder_spatio_temporal_scaling=(True,),
            decoder_inject_noise=(False, False),
            downsample_type=("spatial",),
            upsample_residual=(False,),
            upsample_factor=(1,),
            timestep_conditioning=False,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ).eval(),
        audio_vae=audio_vae.eval(),
        vocoder=LTX2Vocoder(
            in_channels=16,
            hidden_channels=32,
            out_channels=2,
            upsample_kernel_sizes=[4, 4],
            upsample_factors=[2, 2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3, 5]],
            output_sampling_rate=16000,
        ).eval(),
        text_encoder=encoder,
        tokenizer=words(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=not distilled),
    )
    made.set_progress_bar_config(disable=True)
    return made


def words() -> PreTrainedTokenizerFast:
    known = {word: number for number, word in enumerate(("<pad>", "<eos>", "<bos>", "<unk>", *WORDS))}
    model = Tokenizer(WordLevel(known, unk_token="<unk>"))
    model.pre_tokenizer = Whitespace()
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=model, **special)
