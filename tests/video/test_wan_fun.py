"""Wan-Fun control and camera: published keys, the rays and the inputs of the public code, written out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image
from safetensors.torch import save_file
from tests.video import newer_tiny, published_tiny, tiny

from kinema.motion.checkpoints import CheckpointError
from kinema.passes.fun_control import control_film
from kinema.passes.shot import Shot
from kinema.scene import CameraPath, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.formats.realestate10k import write as write_camera
from kinema.signals.grouped_rays import EXAMPLE_REACH, grouped_rays, in_model_units
from kinema.video.loading import load_pipeline
from kinema.video.model_loading import check_form
from kinema.video.models.wan_fun_transformer import WanFunTransformer3DModel, load_wan_fun
from kinema.video.pixels import from_uint8

CPU = torch.device("cpu")
SIZE = (32, 48)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 32, 3), dtype=np.uint8))
DIM, HEADS, FFN, FREQ, TEXT, LAYERS, CLIP = 64, 2, 96, 32, published_tiny.TEXT_DIM, 2, 8
KINDS = {
    "2.1-control": {"in_dim": 12, "add_ref_conv": True, "model_type": "i2v"},
    "2.1-camera": {"in_dim": 8, "add_control_adapter": True, "model_type": "i2v"},
    "2.2-control": {"in_dim": 16, "add_ref_conv": True, "model_type": "t2v"},
    "2.2-camera": {"in_dim": 12, "add_control_adapter": True, "model_type": "t2v"},
}


FINE = {
    "5b-control": {"in_dim": 148, "add_ref_conv": True, "in_dim_ref_conv": 48, "out_dim": 48},
    "5b-camera": {
        "in_dim": 100,
        "add_control_adapter": True,
        "out_dim": 48,
        "downscale_factor_control_adapter": 16,
    },
}
"""Wan2.2-Fun-5B: 48 channels, rays cut into cells of 16 pixels (config.json: downscale_factor_control_adapter)."""


def published_keys(
    in_dim: int,
    add_ref_conv=False,
    add_control_adapter=False,
    model_type="t2v",
    out_dim=4,
    in_dim_ref_conv=4,
    downscale_factor_control_adapter=8,
) -> dict:
    """Every key and shape of VideoX-Fun's WanTransformer3DModel (videox_fun/models/wan_transformer3d.py), tiny."""
    shapes = {
        "patch_embedding.weight": (DIM, in_dim, 1, 2, 2),
        "patch_embedding.bias": (DIM,),
        "head.modulation": (1, 2, DIM),
    }

    def linear(name: str, into: int, out: int) -> None:
        shapes.update({f"{name}.weight": (out, into), f"{name}.bias": (out,)})

    linear("text_embedding.0", TEXT, DIM)
    linear("text_embedding.2", DIM, DIM)
    linear("time_embedding.0", FREQ, DIM)
    linear("time_embedding.2", DIM, DIM)
    linear("time_projection.1", DIM, 6 * DIM)
    linear("head.head", DIM, 4 * out_dim)
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        shapes[f"{block}.modulation"] = (1, 6, DIM)
        for attention in ("self_attn", "cross_attn"):
            for each in "qkvo":
                linear(f"{block}.{attention}.{each}", DIM, DIM)
            for each in ("norm_q", "norm_k"):
                shapes[f"{block}.{attention}.{each}.weight"] = (DIM,)
        shapes |= {f"{block}.norm3.weight": (DIM,), f"{block}.norm3.bias": (DIM,)}
        linear(f"{block}.ffn.0", DIM, FFN)
        linear(f"{block}.ffn.2", FFN, DIM)
        if model_type == "i2v":
            linear(f"{block}.cross_attn.k_img", DIM, DIM)
            linear(f"{block}.cross_attn.v_img", DIM, DIM)
            shapes[f"{block}.cross_attn.norm_k_img.weight"] = (DIM,)
    if model_type == "i2v":
        for number in (0, 4):
            width = CLIP if number == 0 else DIM
            shapes |= {f"img_emb.proj.{number}.weight": (width,), f"img_emb.proj.{number}.bias": (width,)}
        linear("img_emb.proj.1", CLIP, CLIP)
        linear("img_emb.proj.3", CLIP, DIM)
    if add_control_adapter:
        shapes |= {
            "control_adapter.conv.weight": (DIM, 24 * downscale_factor_control_adapter**2, 2, 2),
            "control_adapter.conv.bias": (DIM,),
        }
        for each in ("conv1", "conv2"):
            name = f"control_adapter.residual_blocks.0.{each}"
            shapes |= {f"{name}.weight": (DIM, DIM, 3, 3), f"{name}.bias": (DIM,)}
    if add_ref_conv:
        shapes |= {"ref_conv.weight": (DIM, in_dim_ref_conv, 2, 2), "ref_conv.bias": (DIM,)}
    return shapes


def write_transformer(folder: Path, kind: str, seed: int = 0, shards: int = 1, **changes) -> dict:
    """config.json and weights as published; returns the weights by their published names."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {**KINDS, **FINE}[kind]
    torch.manual_seed(seed)
    state = {
        key: torch.randn(shape) * (0.3 if len(shape) > 1 else 0.1) / max(1, np.prod(shape[1:])) ** 0.5
        for key, shape in published_keys(**facts).items()
    }
    for key in state:
        if "norm" in key and key.endswith("weight"):
            state[key] = state[key] + 1
        if key.startswith(("patch_embedding", "head.head", "ref_conv", "control_adapter.conv")):
            state[key] = 10 * state[key]  # so that what is read shows in the video
    config = {
        "_class_name": "WanModel",
        "dim": DIM,
        "ffn_dim": FFN,
        "freq_dim": FREQ,
        "num_heads": HEADS,
        "num_layers": LAYERS,
        "out_dim": 4,
        "text_len": 512,
        "eps": 1e-6,
        "in_dim_ref_conv": 4,
        **facts,
        **changes,
    }
    (folder / "config.json").write_text(json.dumps(config))
    keys = sorted(state)
    if shards == 1:
        save_file(state, folder / "diffusion_pytorch_model.safetensors")
        return state
    names = [f"diffusion_pytorch_model-{n + 1:05}-of-{shards:05}.safetensors" for n in range(shards)]
    for number, name in enumerate(names):
        save_file({key: state[key] for key in keys[number::shards]}, folder / name)
    return state


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """The other parts: an image-to-video Wan 2.1 in diffusers layout, whose transformer is not there."""
    import shutil

    folder = tmp_path_factory.mktemp("base") / "wan"
    published_tiny.wan_pipeline(picture=True).save_pretrained(folder)
    shutil.rmtree(folder / "transformer")
    return folder


def pipeline_of(folder: Path, base: Path, frames: int = 9, **options):
    pipeline = load_pipeline(folder, base=base, size=SIZE, frames=frames, fps=8.0, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shards", [1, 2])
def test_every_published_key_has_its_place(kind, shards, tmp_path):
    state = write_transformer(tmp_path, kind, shards=shards)
    (tmp_path / "Wan2.1_VAE.pth").write_bytes(b"never read")
    transformer = load_wan_fun(tmp_path)
    assert sum(each.numel() for each in transformer.parameters()) == sum(
        each.numel() for each in state.values()
    )
    places = {
        "blocks.1.self_attn.q.weight": transformer.blocks[1].attn1.to_q.weight,
        "blocks.0.norm3.weight": transformer.blocks[0].norm2.weight,
        "blocks.0.modulation": transformer.blocks[0].scale_shift_table,
        "head.head.bias": transformer.proj_out.bias,
    }
    if "camera" in kind:
        places["control_adapter.conv.weight"] = transformer.control_adapter.conv.weight
        conv = transformer.control_adapter.residual_blocks[0].conv2
        places["control_adapter.residual_blocks.0.conv2.bias"] = conv.bias
    else:
        places["ref_conv.weight"] = transformer.ref_conv.weight
    if kind.startswith("2.1"):
        places["img_emb.proj.4.bias"] = transformer.condition_embedder.image_embedder.norm2.bias
        places["blocks.0.cross_attn.k_img.weight"] = transformer.blocks[0].attn2.add_k_proj.weight
    for name, value in places.items():
        assert torch.equal(value, state[name]), name


def test_a_key_without_a_place_is_named(tmp_path):
    state = write_transformer(tmp_path, "2.1-control", add_ref_conv=False)
    with pytest.raises(CheckpointError, match=r"ref_conv\.\w+ has no place in the transformer"):
        load_wan_fun(tmp_path)
    write_transformer(tmp_path, "2.1-control")
    del state["ref_conv.bias"]
    save_file(state, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match=r"1 missing: ref_conv\.bias"):
        load_wan_fun(tmp_path)
    write_transformer(tmp_path, "2.1-control", in_dim=36)
    with pytest.raises(CheckpointError, match="says dim 64 and in_dim 36, the weights have 64 and 12"):
        load_wan_fun(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="could run code"):
        load_wan_fun(tmp_path)


def inputs(channels: int = 4) -> dict:
    made = tiny.wan_inputs()
    generator = torch.Generator().manual_seed(1)
    return {**made, "hidden_states": torch.randn(2, channels, 2, 6, 4, generator=generator)}


def fun(**changes) -> WanFunTransformer3DModel:
    torch.manual_seed(0)
    config = dict(tiny.wan().config)
    settings = {key: config[key] for key in config if not key.startswith("_")}
    return WanFunTransformer3DModel(**{**settings, **changes}).eval()


@torch.no_grad()
def test_without_rays_and_reference_it_is_diffusers_own_transformer():
    plain, ours = tiny.wan(), fun(add_control_adapter=True, add_ref_conv=True, in_dim_ref_conv=4)
    ours.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(ours(**inputs()).sample, plain(**inputs()).sample)
    many = {**inputs(), "timestep": torch.arange(12.0).repeat(2, 1)}  # a time for each token
    assert torch.equal(ours(**many).sample, plain(**many).sample)


@torch.no_grad()
def test_rays_are_added_to_the_patches():
    """wan_transformer3d.py: x = patch_embedding(x); x = x + control_adapter(y_camera), before it is flattened."""
    ours, seen = fun(add_control_adapter=True), []
    ours.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    rays = torch.randn(2, 24, 2, 48, 32, generator=torch.Generator().manual_seed(2))
    ours(**inputs(), rays=rays)
    patches = ours.patch_embedding(inputs()["hidden_states"])
    adapter = ours.control_adapter
    for frame in range(2):
        cells = torch.nn.functional.pixel_unshuffle(rays[:, :, frame], 8)
        made = adapter.conv(cells)
        block = adapter.residual_blocks[0]
        patches[:, :, frame] += made + block.conv2(torch.relu(block.conv1(made)))
    assert torch.allclose(seen[0], patches.flatten(2).transpose(1, 2), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("per_token", [False, True])
def test_a_reference_is_a_frame_in_front_that_is_left_out(per_token):
    """The same weights in both convolutions: the picture's tokens are then those of one more latent frame."""
    plain, ours = tiny.wan(), fun(add_ref_conv=True, in_dim_ref_conv=4)
    state = plain.state_dict()
    state["ref_conv.weight"] = state["patch_embedding.weight"][:, :, 0]
    state["ref_conv.bias"] = state["patch_embedding.bias"]
    ours.load_state_dict(state)
    picture = torch.randn(2, 4, 6, 4, generator=torch.Generator().manual_seed(4))
    given = inputs()
    longer = {**given, "hidden_states": torch.cat([picture[:, :, None], given["hidden_states"]], dim=2)}
    if per_token:  # tokens in front have the last one's time
        given["timestep"] = torch.arange(12.0).repeat(2, 1)
        longer["timestep"] = torch.cat([torch.full((2, 6), 11.0), given["timestep"]], dim=1)
    made = ours(**given, reference=picture).sample
    assert torch.allclose(made, plain(**longer).sample[:, :, 1:], atol=1e-6)


def rays_of_the_public_code(file: Path, width: int, height: int, original: tuple[int, int]) -> torch.Tensor:
    """videox_fun/data/utils.py: process_pose_file, get_relative_pose, ray_condition, [F, H, W, 6]."""
    lines = [list(map(float, line.split())) for line in file.read_text().splitlines()[1:]]
    lens = np.array([line[1:5] for line in lines])
    w2c = np.tile(np.eye(4), (len(lines), 1, 1))
    w2c[:, :3] = np.array([line[7:] for line in lines]).reshape(-1, 3, 4)
    c2w = np.linalg.inv(w2c)
    shape, wanted = original[0] / original[1], width / height
    if shape > wanted:
        lens[:, 0] *= height * shape / width
    else:
        lens[:, 1] *= width / shape / height
    relative = torch.from_numpy(
        np.stack([np.eye(4), *(w2c[0] @ each for each in c2w[1:])]).astype(np.float32)
    )
    fx, fy, cx, cy = torch.from_numpy((lens * [width, height, width, height]).astype(np.float32)).T
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    across = (columns[None] - cx[:, None, None]) / fx[:, None, None]
    down = (rows[None] - cy[:, None, None]) / fy[:, None, None]
    directions = torch.stack([across, down, torch.ones_like(down)], dim=-1)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    directions = torch.einsum("fhwc,fdc->fhwd", directions, relative[:, :3, :3])
    origins = relative[:, None, None, :3, 3].expand_as(directions)
    return torch.cat([torch.linalg.cross(origins, directions), directions], dim=-1)


def grouping_of_the_public_code(rays: torch.Tensor) -> torch.Tensor:
    """pipeline_wan2_2_fun_control.py: first frame four times, then views and transposes, [B, 24, F, H, W]."""
    video = rays.permute(3, 0, 1, 2)[None]
    video = torch.cat([torch.repeat_interleave(video[:, :, :1], 4, dim=2), video[:, :, 1:]], dim=2).transpose(
        1, 2
    )
    b, f, c, h, w = video.shape
    video = video.contiguous().view(b, f // 4, 4, c, h, w).transpose(2, 3)
    return video.contiguous().view(b, f // 4, c * 4, h, w).transpose(1, 2)


@pytest.mark.parametrize("size", [(64, 48), (48, 80)])
def test_rays_are_those_of_the_public_code(size, tmp_path):
    path = camera_path(
        "dolly in 1m then arc left 60deg", size=size, fps=8.0, frames=9, subject=tiny.walking()
    )
    scaled = in_model_units(path)
    write_camera(tmp_path / "cam.txt", scaled)
    theirs = grouping_of_the_public_code(rays_of_the_public_code(tmp_path / "cam.txt", *size, size))
    ours = torch.from_numpy(grouped_rays(scaled))[None]
    assert ours.shape == (1, 24, 3, size[1], size[0])
    assert (ours - theirs).abs().max() < 1e-5
    assert torch.equal(ours[:, 0::4, 0], ours[:, 3::4, 0])  # the first frame four times


def test_a_path_goes_as_far_as_the_published_examples():
    """asset/Pan_Left.txt goes from 0 to 1.5."""
    path = camera_path("dolly in 3m", size=SIZE, fps=8.0, frames=9, subject=tiny.walking())
    assert np.abs(in_model_units(path).positions).max() == pytest.approx(EXAMPLE_REACH, rel=0.05)
    far = np.linalg.norm(in_model_units(path, 2.0).positions, axis=-1).max()
    assert far == pytest.approx(2 * EXAMPLE_REACH)
    poses = path.c2w.copy()
    poses[:, :3, 3] = poses[0, :3, 3] + np.linspace(0, 0.01, 9)[:, None]
    small = replace(path, c2w=poses)  # a hand that trembles
    assert np.linalg.norm(in_model_units(small).positions, axis=-1).max() < 0.06 * EXAMPLE_REACH
    with pytest.raises(ValueError, match="above 0"):
        in_model_units(path, 0.0)


def latents_of(pipeline, scene: Scene, **options) -> torch.Tensor:
    """What is decoded: the tiny autoencoder hardly shows what differs."""
    model, kept = pipeline.video_model, []
    decode = type(model).decode
    model.decode = lambda latents: kept.append(latents) or decode(model, latents)
    pipeline("walk", PICTURE, scene, frames=9, seed=5, steps=3, **options)
    return kept[0]


def by_hand(pipeline, kind: str, scene: Scene, steps: int) -> torch.Tensor:
    """pipeline_wan_fun_control.py and pipeline_wan2_2_fun_control.py with a picture; guidance 6, one expert; latents."""
    model = pipeline.video_model
    transformer, vae = model.transformer, model.vae
    mean, std = (
        torch.tensor(each).view(1, -1, 1, 1, 1) for each in (vae.config.latents_mean, vae.config.latents_std)
    )

    def encode(pixels):
        return (vae.encode(pixels).latent_dist.mode() - mean) / std

    picture = from_uint8(np.asarray(PICTURE)[None])
    latents = torch.randn(1, 4, 3, 6, 4, generator=torch.Generator().manual_seed(5))
    y, more = [], {}
    shot = Shot(scene, SIZE, 9, 8.0, picture=np.asarray(PICTURE))
    if "control" in kind:
        film = control_film(shot, ("body", "hands", "face"), "pose")
        y.append(encode(from_uint8(film)))
        more["reference"] = encode(picture)[:, :, 0]
    else:
        rays = rays_of(shot.camera)
        more["rays"] = grouping_of_the_public_code(rays)
    start = "camera" in kind  # the control example gives a reference and no start picture
    if kind.startswith("2.1"):
        first = torch.zeros_like(latents)
        if start:
            first[:, :, :1] = encode(picture)
        y.append(first)
        more["encoder_hidden_states_image"] = model._picture_states(picture)
    elif start:
        video = torch.zeros(1, 3, 9, 48, 32)
        video[:, :, :1] = picture
        mask = torch.zeros(1, 4, 3, 6, 4)
        mask[:, :, 0] = 1
        y += [mask, encode(video)]
    else:
        y += [torch.zeros(1, 4, 3, 6, 4), torch.zeros_like(latents)]
    scheduler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    scheduler.set_timesteps(steps)
    texts = [model.encode_text(words, CPU) for words in ("walk", "")]
    for t in scheduler.timesteps:
        told, nothing = (
            transformer(
                torch.cat([latents, *y], dim=1), timestep=t[None], encoder_hidden_states=text, **more
            ).sample
            for text in texts
        )
        latents = scheduler.step(nothing + 6 * (told - nothing), t, latents, return_dict=False)[0]
    return latents


def rays_of(camera: CameraPath) -> torch.Tensor:
    """As the file of the path would give them."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cam.txt"
        write_camera(file, in_model_units(camera))
        return rays_of_the_public_code(file, *SIZE, SIZE)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_video_is_that_of_the_public_pipeline(kind, base, tmp_path):
    write_transformer(tmp_path, kind)
    pipeline, scene = pipeline_of(tmp_path, base), tiny.scene(9)
    assert pipeline.video_model.family == "wan-fun"
    assert pipeline.follows == {"pose" if "control" in kind else "camera"}
    made = latents_of(pipeline, scene)  # 6 is the default
    assert torch.allclose(made, by_hand(pipeline, kind, scene, 3), atol=1e-4)
    elsewhere = tiny.scene(9, "arc left 90deg")
    assert (made - latents_of(pipeline, elsewhere)).abs().max() > 1e-3


@pytest.mark.parametrize(("kind", "overlap"), [("2.1-camera", 1), ("2.2-camera", 9), ("2.2-control", 9)])
def test_long_videos_go_on_from_what_is_known(kind, overlap, base, tmp_path):
    write_transformer(tmp_path, kind)
    pipeline = pipeline_of(tmp_path, base, frames=13)
    assert pipeline.video_model.overlap == overlap
    scene = tiny.scene(17)
    long = pipeline("walk", PICTURE, scene, frames=17, steps=2).frames
    assert long.shape == (17, 48, 32, 3)
    short = pipeline("walk", PICTURE, Scene(scene.people, scene.camera, 8.0), frames=13, steps=2).frames
    if "control" in kind:  # a camera's unit is that of its whole path
        assert np.array_equal(long[:13], short)


def test_two_experts_take_turns(base, tmp_path):
    for seed, folder in enumerate(("high_noise_model", "low_noise_model")):
        write_transformer(tmp_path / folder, "2.2-control", seed)
    pipeline = pipeline_of(tmp_path, base)
    model = pipeline.video_model
    assert model.boundary_ratio == 0.9
    assert model.denoiser(torch.tensor(900.0)) is model.transformer
    assert model.denoiser(torch.tensor(899.0)) is model.transformer_2
    made = pipeline("walk", PICTURE, tiny.scene(9), frames=9, steps=4)
    assert made.frames.shape == (9, 48, 32, 3)
    assert made.settings["recipe"] == "pose"


@pytest.mark.parametrize("kind", FINE)
def test_wan22_5b_shows_a_known_first_frame_without_noise(kind, tmp_path):
    """pipeline_wan2_2_fun_control.py, spatial_compression_ratio 16: temp_ts = mask * t; masked video where mask is 0."""
    newer_tiny.wan22_5b(picture=True).save_pretrained(tmp_path / "base")
    write_transformer(tmp_path / "fun", kind)
    settings = {"recipe": "first-frame"} if "control" in kind else {}
    pipeline = load_pipeline(
        tmp_path / "fun", base=tmp_path / "base", size=(64, 96), frames=9, fps=8.0, settings=settings
    )
    model, told = pipeline.video_model, []
    model.transformer.register_forward_pre_hook(lambda _, args, given: told.append(given), with_kwargs=True)
    made = latents_of(pipeline, tiny.scene(9))
    first = model.encode_video(
        from_uint8(np.asarray(PICTURE.resize((64, 96), Image.Resampling.LANCZOS))[None])
    )
    assert torch.allclose(made[:, :, :1], first, atol=1e-5)
    for given in told:
        assert torch.allclose(given["hidden_states"][:, :48, :1], first, atol=1e-5)
        assert given["timestep"].shape == (1, 3 * 3 * 2)
        assert not given["timestep"][0, :6].any()
        assert given["timestep"][0, 6:].min() > 0
    if "camera" in kind:
        assert told[0]["rays"].shape == (1, 24, 3, 96, 64)


def test_recipes_and_strength_change_what_is_read(base, tmp_path):
    write_transformer(tmp_path / "control", "2.2-control")
    write_transformer(tmp_path / "camera", "2.2-camera")
    scene = tiny.scene(9)

    def made(folder: str, **settings) -> torch.Tensor:
        return latents_of(pipeline_of(tmp_path / folder, base, settings=settings), scene)

    pose, first, depth = (made("control", recipe=each) for each in ("pose", "first-frame", "depth"))
    assert not torch.equal(pose, first)
    assert not torch.equal(pose, depth)
    assert not torch.equal(made("camera"), made("camera", control_strength=3.0))
    nothing = pipeline_of(tmp_path / "camera", base, adapters=[])
    assert nothing("walk", PICTURE, frames=9, steps=1).frames.shape == (9, 48, 32, 3)


def test_what_does_not_fit_is_said_before_weights_are_read(base, tmp_path, monkeypatch):
    control, camera = tmp_path / "control", tmp_path / "camera"
    write_transformer(control, "2.1-control")
    write_transformer(camera, "2.2-camera")
    with pytest.raises(ValueError, match="control is a transformer alone: give the Wan in diffusers layout"):
        load_pipeline(control)
    with pytest.raises(ValueError, match="a control model has no control strength"):
        check_form(control, settings={"control_strength": 2.0})
    with pytest.raises(ValueError, match="a camera model has no recipe"):
        check_form(camera, settings={"recipe": "pose"})
    with pytest.raises(ValueError, match="no recipe 'dance': there are pose, first-frame, depth"):
        check_form(control, settings={"recipe": "dance"})
    with pytest.raises(ValueError, match="multiples of 16 pixels"):
        check_form(control, size=(30, 48))
    with pytest.raises(ValueError, match="leave out --control"):
        load_pipeline(camera, ["tokenmotion"], base=base)
    with pytest.raises(ValueError, match="which brings its own parts"):
        load_pipeline("mini", base=base)
    with pytest.raises(FileNotFoundError, match=r"holds no model_index\.json"):
        load_pipeline(control, base=camera)
    text = tmp_path / "text"
    published_tiny.wan_pipeline().save_pretrained(text)
    with pytest.raises(ValueError, match=r"reads a CLIP picture, and --base .* has no image_encoder"):
        load_pipeline(control, base=text)
    write_transformer(tmp_path / "odd", "2.2-camera", add_control_adapter=True, add_ref_conv=False)
    with pytest.raises(FileNotFoundError, match="neither"):
        load_pipeline(tmp_path)
