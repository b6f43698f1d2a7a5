"""MTVCraft's published weights: one state dict becomes diffusers' own backbone and an MTVCraftAdapter, or an error.

Every key is accounted for, whichever file it comes in: the original ones, a diffusers folder, a flat safetensors file.
Sizes are read off the weights. Nothing is allocated twice: modules are made without memory and take the file's tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from accelerate import init_empty_weights
from diffusers import CogVideoXTransformer3DModel, WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers

from kinema.motion.checkpoints import CheckpointError, load_exactly, read_state_dict
from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.video.checkpoints import from_packed, read_gguf, unscaled

Weights = dict[str, torch.Tensor]
MeanJoints = np.ndarray | torch.Tensor | None

_PREFIX = re.compile(
    r"^(?:module\.|(?:model\.)?diffusion_model\.)+"
)  # data-parallel training's and ComfyUI's
_COGVIDEOX_SITE = re.compile(r"^transformer_blocks\.(\d+)\.attn0\.(.+)$")
_WAN_SITE = re.compile(r"^blocks\.(\d+)\.(?=motion_attn\.|norm4\.)(?:motion_attn\.)?(.+)$")
_OUR_NAMES = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out", "norm4": "norm"}
_NULL_MOTION = "unconditional_motion_token"
_WAN_CODE = 3072
_WAN_HEAD = 128  # channels of a head in every Wan model; the weights do not tell


def load_published_cogvideox(
    source: str | Path | Mapping[str, torch.Tensor],
    tokenizer: MotionTokenizer | None = None,
    *,
    mean_joints_mm: MeanJoints = None,
    dtype: torch.dtype | None = None,
) -> tuple[CogVideoXTransformer3DModel, MTVCraftAdapter]:
    """The CogVideoX model ("7B"): a transformer for zero-length text, and its adapter, not yet attached.

    The model has no text stream; diffusers' class has one, whose weights (`text_proj`, and half of each modulation) are
    in the file and stay unused: it is called with text states of length 0 (`models.MTVCraftCogVideoX`).

    Args:
        source: file, folder in diffusers layout, or state dict.
        tokenizer: the published one; becomes the adapter's own.
        mean_joints_mm: the published `data/mean.npy`, [24, 3]; by default the tokenizer's mean.
        dtype: of the loaded weights; by default that of the file.

    Raises:
        FileNotFoundError: nothing there.
        CheckpointError: the keys or shapes are not those of this model; nothing is loaded then.
        ValueError: neither tokenizer nor mean joints, or a tokenizer of another width.
    """
    mean = _mean_joints(tokenizer, mean_joints_mm)
    name, state = _read(source, dtype)
    if any(hasattr(each, "quant_type") for each in state.values()):
        raise CheckpointError(
            f"{name}: MTVCraft on CogVideoX is read from .safetensors or .pt, not from GGUF"
        )
    sites, state = _split(state, _COGVIDEOX_SITE, name)
    if _NULL_MOTION not in state:
        raise CheckpointError(f"{name} is no MTVCraft model on CogVideoX: it has no {_NULL_MOTION}")
    null = state.pop(_NULL_MOTION)
    width, channels, patch, _ = _shape(state, "patch_embed.proj.weight", 4, name)
    (head,) = _shape(state, "transformer_blocks.0.attn1.norm_q.weight", 1, name)
    with init_empty_weights():
        transformer = CogVideoXTransformer3DModel(
            num_attention_heads=width // head,
            attention_head_dim=head,
            in_channels=channels,
            out_channels=_shape(state, "proj_out.weight", 2, name)[0] // patch**2,
            time_embed_dim=_shape(state, "time_embedding.linear_1.weight", 2, name)[0],
            text_embed_dim=_shape(state, "patch_embed.text_proj.weight", 2, name)[1],
            num_layers=_depth(state, "transformer_blocks"),
            patch_size=patch,
            sample_width=64,  # 512 x 512, as published; rotary positions do not depend on it
            sample_height=64,
            use_rotary_positional_embeddings=True,
        )
        adapter = MTVCraftAdapter(
            hidden_size=width,
            heads=width // head,
            blocks=tuple(sites),
            form="cogvideox",
            code_dim=_shape(next(iter(sites.values())), "to_k.weight", 2, name)[1],
            mean_joints_mm=mean,
            null_frames=len(null) // 24,
        )
    _fill_adapter(adapter, sites, {"null_motion": null}, dtype, name)
    load_exactly(transformer, _cast(state, dtype), name, assign=True)
    return transformer.eval(), _finished(adapter, tokenizer)


def load_published_wan(
    source: str | Path | Mapping[str, torch.Tensor],
    tokenizer: MotionTokenizer | None = None,
    *,
    mean_joints_mm: MeanJoints = None,
    dtype: torch.dtype | None = None,
    code_dim: int | None = None,
    window: int = 49,
) -> tuple[WanTransformer3DModel, MTVCraftAdapter]:
    """The Wan 2.1 model ("17B"): its own fine-tuned transformer and the adapter, not yet attached.

    The published weights expect keys in a layout that ties them to one window length (PublishedWanMotionAttention); the
    adapter refuses others. The file pads tokens with zeros to the backbone's width; the columns that would meet those
    zeros are cut off, which changes nothing. There are no tokens of no motion: without a pose the sites are silent.

    Args:
        source: file, folder in diffusers layout, or state dict, with Wan's own key names or with diffusers'.
        tokenizer: the published one; becomes the adapter's own.
        mean_joints_mm: the published `data/mean.npy`, [24, 3]; by default the tokenizer's mean.
        dtype: of the loaded weights; by default that of the file. What diffusers keeps in float32 becomes float32.
        code_dim: width of the motion tokens before padding; by default the tokenizer's, or 3072 as published.
        window: frames of the videos that are made.

    Raises:
        FileNotFoundError: nothing there.
        CheckpointError: the keys or shapes are not those of this model; nothing is loaded then.
        ValueError: neither tokenizer nor mean joints, or a tokenizer of another width.
    """
    mean = _mean_joints(tokenizer, mean_joints_mm)
    if code_dim is None:
        code_dim = _WAN_CODE if tokenizer is None else tokenizer.config.code_dim
    name, state = _read(source, dtype)
    sites, state = _split(state, _WAN_SITE, name)
    for site in sites.values():
        for key in site:
            site[key] = _unpacked(site[key])
        for key in site.keys() & {"to_k.weight", "to_v.weight"}:
            site[key] = site[key][:, :code_dim].contiguous()
    if "head.modulation" in state:
        state = convert_wan_transformer_to_diffusers(state)
    embedder = "condition_embedder"
    width, channels, *patch = _shape(state, "patch_embedding.weight", 5, name)
    image_norm = f"{embedder}.image_embedder.norm1.weight"
    with init_empty_weights():
        transformer = WanTransformer3DModel(
            patch_size=tuple(patch),
            num_attention_heads=width // _WAN_HEAD,
            attention_head_dim=_WAN_HEAD,
            in_channels=channels,
            out_channels=_shape(state, "proj_out.weight", 2, name)[0] // math.prod(patch),
            text_dim=_shape(state, f"{embedder}.text_embedder.linear_1.weight", 2, name)[1],
            freq_dim=_shape(state, f"{embedder}.time_embedder.linear_1.weight", 2, name)[1],
            ffn_dim=_shape(state, "blocks.0.ffn.net.0.proj.weight", 2, name)[0],
            num_layers=_depth(state, "blocks"),
            image_dim=len(state[image_norm]) if image_norm in state else None,
            added_kv_proj_dim=width if image_norm in state else None,
        )
        adapter = MTVCraftAdapter(
            hidden_size=width,
            heads=width // _WAN_HEAD,
            blocks=tuple(sites),
            form="wan_published",
            code_dim=code_dim,
            mean_joints_mm=mean,
            null_frames=0,
            window=window,
        )
    _fill_adapter(adapter, sites, {}, dtype, name)
    if any(hasattr(each, "quant_type") for each in state.values()):
        transformer = from_packed(state, WanTransformer3DModel, transformer.config, dtype or torch.float32)
    else:
        kept = tuple(WanTransformer3DModel._keep_in_fp32_modules)
        load_exactly(transformer, _cast(state, dtype, kept), name, assign=True)
    return transformer.eval(), _finished(adapter, tokenizer)


def _read(source: str | Path | Mapping[str, torch.Tensor], dtype: torch.dtype | None) -> tuple[str, Weights]:
    """A name for messages, and the weights without prefixes; the community's 8-bit ones as they are meant."""
    name = "this state dict" if isinstance(source, Mapping) else str(source)
    if isinstance(source, Mapping):
        state = source
    elif Path(source).suffix == ".gguf":
        state = read_gguf(Path(source))
    else:
        state = read_state_dict(source)
    state = {_PREFIX.sub("", key): value for key, value in state.items()}
    return name, unscaled(state, name, dtype or torch.float32)


def _unpacked(weight: torch.Tensor) -> torch.Tensor:
    """A GGUF's weight as numbers; any other as it is."""
    if not hasattr(weight, "quant_type"):
        return weight
    from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

    return dequantize_gguf_tensor(weight)


def _split(state: Weights, site: re.Pattern[str], name: str) -> tuple[dict[int, Weights], Weights]:
    """(block -> weights of its motion attention by our names, weights of the backbone)."""
    sites: dict[int, Weights] = {}
    backbone: Weights = {}
    for key, value in state.items():
        found = site.match(key)
        if found is None:
            backbone[key] = value
        else:
            module, _, parameter = found[2].partition(".")
            ours = f"{_OUR_NAMES.get(module, module)}.{parameter.removeprefix('0.')}"
            sites.setdefault(int(found[1]), {})[ours] = value
    if not sites:
        raise CheckpointError(
            f"{name} holds no motion attention of this kind: is it MTVCraft's transformer, and for this backbone?"
        )
    return dict(sorted(sites.items())), backbone


def _fill_adapter(
    adapter: MTVCraftAdapter, sites: dict[int, Weights], rest: Weights, dtype: torch.dtype | None, name: str
) -> None:
    state = {
        f"sites.{index}.{key}": value
        for index, site in enumerate(sites.values())
        for key, value in site.items()
    }
    like = next(iter(state.values()))
    # Ours and not in the file: zero, so that one person is exactly as published.
    people = torch.zeros(adapter.person_embedding.shape, dtype=like.dtype)
    load_exactly(adapter, _cast({**state, **rest, "person_embedding": people}, dtype), name, assign=True)


def _cast(state: Weights, dtype: torch.dtype | None, kept: tuple[str, ...] = ()) -> Weights:
    """In another type, one tensor after the other; modules named in `kept` become float32."""
    if dtype is not None:
        for key in state:
            state[key] = state[key].to(torch.float32 if set(kept) & set(key.split(".")) else dtype)
    return state


def _finished(adapter: MTVCraftAdapter, tokenizer: MotionTokenizer | None) -> MTVCraftAdapter:
    return (adapter if tokenizer is None else adapter.with_tokenizer(tokenizer)).eval()


def _mean_joints(tokenizer: MotionTokenizer | None, mean_joints_mm: MeanJoints) -> list[list[float]]:
    if mean_joints_mm is not None:
        return torch.as_tensor(mean_joints_mm).tolist()
    if tokenizer is None or tokenizer.config.mean is None:
        raise ValueError(
            "the published weights need the mean joints of their data for rotary positions: "
            "give the published tokenizer, or data/mean.npy as mean_joints_mm"
        )
    return [list(joint) for joint in tokenizer.config.mean]


def _shape(state: Weights, key: str, axes: int, name: str) -> torch.Size:
    shape = torch.Size(getattr(state[key], "quant_shape", state[key].shape)) if key in state else torch.Size()
    if len(shape) != axes:
        found = f"has the shape {list(shape)}" if key in state else "is missing"
        raise CheckpointError(f"{name} is not a complete transformer of this kind: {key} {found}")
    return shape


def _depth(state: Weights, blocks: str) -> int:
    return len({key.split(".")[1] for key in state if key.startswith(f"{blocks}.")})
