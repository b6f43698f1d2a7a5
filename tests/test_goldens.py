"""What every pipeline makes of fixed seeds, as it was: a refactor changes none of it.

    python -m tests.test_goldens --write [NAME ...]    take the goldens anew, all or those whose names begin so
    python -m tests.test_goldens --sha [NAME ...]      SHA-256 of the whole outputs as JSON, for this machine alone

`goldens.json` holds some values of every output; processors differ in the last digits, so the test allows for them.
Before and after a refactor on one machine, compare what `--sha` prints.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.motion.walking import walk
from tests.video import mtvcraft_tiny, published_tiny, tiny
from tests.video.matrix_cases import ADAPTERS
from tests.video.test_mtvcraft_video import published_cogvideox, published_wan
from tests.video.test_video_models import PICTURE, kinema_pipeline

from kinema.data.motion_library import ENVIRONMENT_VARIABLE, MotionLibrary, library_folder
from kinema.diffusion.guider import Guidance, Scale
from kinema.motion.constraints import JointTarget, Known, RootPath
from kinema.motion.long_motion import camera_joints
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.round_trip import round_trip
from kinema.motion.timeline import Block, Timeline
from kinema.motion.timeline_motion import make_timeline
from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.loading import load_mtvcraft
from kinema.scene import Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion
from kinema.signals.control_signals import control_signals
from kinema.stage import shoot
from kinema.stage.filming import casting
from kinema.training.motion_task import MotionTask
from kinema.training.part_network import PartNetwork
from kinema.training.recipes import run_recipe
from kinema.training.recipes.tokenizer import TokenizerTask
from kinema.training.video_task import VideoTask
from kinema.video.adapters.attach import attach
from kinema.video.loading import load_pipeline
from kinema.video.models.mini.network import MiniFormat
from kinema.video.models.mini.plates import MiniConditioning
from kinema.video.pipeline import KinemaPipeline

RESTORED = True
"""Whether mini's weights and its background plates are those of commit 28a96b8 again. The cases that depend on them have
two goldens: `mini/...` as before that, `mini-restored/...` as that commit makes them."""

GOLDENS = Path(__file__).with_name("goldens.json")
REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLES = REPOSITORY / "examples"
WEIGHTS = Path(str(files("kinema"))) / "weights"
LIBRARY = library_folder() or library_folder(REPOSITORY.parent / "shared" / "motion_data")

Arrays = dict[str, np.ndarray]
"""Outputs by name; those whose names begin with an underscore count for `--sha` alone."""

CASES: dict[str, Callable[[], Arrays]] = {}
PLATED: set[str] = set()  # depend on mini's trained weights or its plates
ONLY_RESTORED: set[str] = set()  # are no goldens before the restoration
FILMED: set[str] = set()  # need the motion library


def video_of(pipeline: KinemaPipeline, *given: Any, **options: Any) -> Arrays:
    """What a pipeline makes, and the latents that it decodes: a decoder of random weights hardly shows what changes."""
    latents: list[torch.Tensor] = []
    decode = pipeline.video_model.decode

    def watched(window: torch.Tensor) -> torch.Tensor:
        latents.append(window)
        return decode(window)

    pipeline.set_progress_bar_config(disable=True)
    with mock.patch.object(pipeline.video_model, "decode", watched):
        made = pipeline(*given, **options)
    return {"video": made.frames, "latents": torch.cat(latents, dim=2).numpy()}


# Videos of the published families, with random weights

BACKBONES: dict[str, Callable[[], Any]] = {
    "cogvideox": published_tiny.cogvideox_pipeline,
    "cogvideox-2b": partial(published_tiny.cogvideox_pipeline, rotary=False),
    "cogvideox-dpm": partial(published_tiny.cogvideox_pipeline, dpm=True),
    "cogvideox-i2v": partial(published_tiny.cogvideox_pipeline, picture=True),
    "cogvideox-dpm-i2v": partial(published_tiny.cogvideox_pipeline, picture=True, dpm=True),
    "wan": published_tiny.wan_pipeline,
    "wan-i2v": partial(published_tiny.wan_pipeline, picture=True),
}


def tiny_pipeline(backbone: str, adapters: tuple[str, ...], window: int) -> KinemaPipeline:
    """A pipeline of random weights, with adapters that no longer say nothing."""
    loaded = BACKBONES[backbone]()
    made = {}
    for name in adapters:
        torch.manual_seed(1)
        new = ADAPTERS[name](loaded.transformer, {})
        made[name] = new.awake(new.adapter.eval())
        if name == "tokenmotion":  # the goldens are of weights from before the switch
            for encoder in (made[name].pose_encoder, made[name].camera_encoder):
                encoder.causal_padding = "input"
        attach(loaded.transformer, made[name], name)
    return kinema_pipeline(loaded, window, made)


def tiny_video(
    backbone: str,
    *adapters: str,
    guidance: Guidance | None = None,
    frames: int = 9,
    window: int = 9,
    steps: int = 3,
    **options: Any,
) -> Arrays:
    return video_of(
        tiny_pipeline(backbone, adapters, window),
        "a person walks",
        PICTURE if backbone.endswith("i2v") else None,
        tiny.scene(frames) if adapters else None,
        frames=frames,
        seed=5,
        steps=steps,
        guidance=guidance,
        **options,
    )


for _backbone in ("cogvideox", "cogvideox-i2v", "wan", "wan-i2v"):
    for _adapter in ADAPTERS:
        CASES[f"{_backbone}/{_adapter}"] = partial(
            tiny_video, _backbone, _adapter, guidance=Guidance(text=6.0)
        )
_PARTLY = Guidance(text=6.0, pose=Scale(3.0, (0.0, 0.6)), camera=Scale(1.0, (0.0, 0.6)))
_APART = Guidance(text=2.0, pose=Scale(3.0, (0.0, 0.5)), camera=Scale(1.5, (0.2, 1.0)))
CASES |= {
    "cogvideox/dpm-interval": partial(tiny_video, "cogvideox-dpm", "tokenmotion", guidance=_PARTLY, steps=4),
    "cogvideox/2b": partial(tiny_video, "cogvideox-2b", "mosa"),
    "cogvideox/negative": partial(
        tiny_video, "cogvideox", guidance=Guidance(text=6.0), negative_prompt="blurred"
    ),
    "cogvideox-i2v/dpm": partial(tiny_video, "cogvideox-dpm-i2v", "mtvcraft", guidance=Guidance(text=6.0)),
    "cogvideox-i2v/interval": partial(tiny_video, "cogvideox-i2v", "mosa", guidance=_PARTLY, steps=4),
    "cogvideox-i2v/two": partial(tiny_video, "cogvideox-i2v", "tokenmotion", "mtvcraft", guidance=_APART, steps=4),
    "cogvideox-i2v/long": partial(tiny_video, "cogvideox-i2v", "tokenmotion", frames=25, window=17, steps=2),
    "wan/interval": partial(tiny_video, "wan", "mtvcraft", guidance=_PARTLY, steps=4),
    "wan/negative": partial(tiny_video, "wan", guidance=Guidance(text=6.0), negative_prompt="blurred", shift=5.0),
    "wan-i2v/interval": partial(tiny_video, "wan-i2v", "tokenmotion", guidance=_PARTLY, steps=4),
    "wan-i2v/two": partial(tiny_video, "wan-i2v", "mosa", "mtvcraft", guidance=_APART, steps=4),
    "wan-i2v/long": partial(tiny_video, "wan-i2v", "mosa", frames=25, window=17, steps=2),
}  # fmt: skip


def published_mtvcraft(family: str, frames: int) -> Arrays:
    """MTVCraft from files in its published layout."""
    cogvideox = family == "cogvideox"
    base = (
        published_tiny.cogvideox_pipeline(dpm=True)
        if cogvideox
        else published_tiny.wan_pipeline(picture=True)
    )
    torch.manual_seed(0)
    state = published_cogvideox() if cogvideox else published_wan()
    with tempfile.TemporaryDirectory() as folder:
        base.save_pretrained(Path(folder) / "base")
        file = Path(folder) / "mtvcraft.safetensors"
        save_file({key: value.contiguous() for key, value in state.items()}, file)
        pipeline = load_mtvcraft(
            file,
            mtvcraft_tiny.tokenizer(),
            Path(folder) / "base",
            size=(published_tiny.WIDTH, published_tiny.HEIGHT),
            fps=8.0,
            device="cpu",
        )
    return video_of(pipeline, image=PICTURE, scene=tiny.scene(frames), frames=frames, steps=2, seed=3)


CASES |= {
    "mtvcraft-published/cogvideox": partial(published_mtvcraft, "cogvideox", 9),
    "mtvcraft-published/cogvideox-long": partial(published_mtvcraft, "cogvideox", 60),
    "mtvcraft-published/wan": partial(published_mtvcraft, "wan", 9),
}


# Videos of mini, with its trained weights


@cache
def jacks() -> Motion:
    return read_motion(EXAMPLES / "jumping_jacks.bvh")


def jacks_scene(
    size: tuple[int, int], frames: int, camera: str = "arc left 40deg", fps: float = 12.0
) -> Scene:
    motion = jacks()
    return Scene(
        (motion,), camera_path(camera, size=size, fps=fps, frames=frames, subject=motion), motion.fps
    )


def mini_video(*adapters: str, frames: int = 17, **options: Any) -> Arrays:
    pipeline = load_pipeline("mini", adapters=adapters)
    return video_of(
        pipeline,
        "a person does jumping jacks",
        image=Image.open(EXAMPLES / "character.png"),
        scene=jacks_scene(pipeline.size, frames),
        frames=frames,
        steps=4,
        seed=3,
        **options,
    )


CASES |= {
    "mini/none": mini_video,
    "mini/text": partial(mini_video, guidance=Guidance(text=3.0), negative_prompt="a person stands"),
    "mini/mtvcraft": partial(mini_video, "mtvcraft"),
    "mini/tokenmotion": partial(mini_video, "tokenmotion"),
    "mini/tokenmotion-text": partial(mini_video, "tokenmotion", guidance=Guidance(text=2.0, pose=1.5)),
    "mini/tokenmotion-long": partial(mini_video, "tokenmotion", frames=33),
    "mini/mosa": partial(mini_video, "mosa"),
    "mini/two": partial(mini_video, "tokenmotion:camera", "mtvcraft:pose"),
}
PLATED |= {name for name in CASES if name.startswith("mini/")} - {"mini/none", "mini/text"}
ONLY_RESTORED |= PLATED - {"mini/mtvcraft"}


# Motion


def text_to_motion() -> TextToMotionPipeline:
    """A new one for each case: the states of a text that it keeps are, to the last bit, those of the texts beside it."""
    return TextToMotionPipeline.from_pretrained()


def moved(motion: Motion) -> Arrays:
    assert motion.rotations is not None
    return {"joints": motion.joints, "rotations": motion.rotations}


def prompted_motion(prompt: str | list[str], seconds: float, **options: Any) -> Arrays:
    return moved(text_to_motion()(prompt, seconds=seconds, seed=3, **options))


def streamed_motion() -> Arrays:
    texts = iter(["a person walks forward", "a person walks forward", "a person waves"])
    chunks = list(text_to_motion().stream(texts, chunk_seconds=1.6, seed=4))
    return moved(
        Motion(
            np.concatenate([chunk.joints for chunk in chunks]),
            chunks[0].fps,
            chunks[0].skeleton,
            np.concatenate([chunk.rotations for chunk in chunks]),
        )
    )


def motion_of_a_timeline() -> Arrays:
    blocks = (
        Block("a person walks forward", 0, 3),
        Block("a person bows", 3, 5),
        Block("waves with the left hand", 1.0, 2.5, ("left_arm",)),
    )
    return moved(make_timeline(text_to_motion(), Timeline(blocks), seed=3))


_TARGETS = [
    JointTarget("left_wrist", 1.0, (0.3, 1.3, 0.4)),
    JointTarget("right_wrist", 2.0, (-0.3, 1.1, 0.4)),
]
CASES |= {
    "motion/steps": partial(prompted_motion, "a person walks forward, then waves with the left hand", 5.0),
    "motion/long": partial(prompted_motion, ["a person walks forward", "a person turns around"], 12.0),
    "motion/metres": partial(prompted_motion, "a person walks forward for about five metres", 4.0),
    "motion/style": partial(
        prompted_motion, "a person walks", 3.0, style="happy", steps=6, guidance=3.5, clean=False
    ),
    "motion/path": partial(
        prompted_motion,
        "a person walks",
        3.0,
        constraints=[RootPath([[0, 0], [0.5, 1.5], [1.5, 2]], times=[0, 1.5, 3])],
    ),
    "motion/targets": partial(prompted_motion, "a person reaches out", 3.0, constraints=_TARGETS),
    "motion/known": partial(
        prompted_motion,
        "a person walks, then waves",
        3.0,
        constraints=[Known(walk(21)), Known(walk(21), at=2.0, parts=("left_leg",))],
    ),
    "motion/stream": streamed_motion,
    "motion/timeline": motion_of_a_timeline,
}  # fmt: skip


def tokenized(tokenizer: MotionTokenizer, joints: torch.Tensor) -> Arrays:
    """Tokens, what they are decoded to, and what was lost, millimetres."""
    with torch.no_grad():
        indices = tokenizer.encode(joints)
        absolute = tokenizer.config.form == "parity"
        decoded = tokenizer.decode(indices, joints.shape[1], None if absolute else joints[:, 0])
        latents = tokenizer.latents(joints)
        measured = round_trip(tokenizer, joints)
        prepared = tokenizer.prepare().encode(joints)
        tokenizer.eval()
    errors = [
        measured.tokens.absolute,
        measured.tokens.relative,
        measured.unquantized.absolute,
        measured.perplexity,
    ]
    return {
        "indices": indices.numpy(),
        "prepared": prepared.numpy(),
        "latents": latents.numpy(),
        "decoded": decoded.numpy(),
        "errors": np.array(errors),
    }  # fmt: skip


def embedded_tokens() -> Arrays:
    tokenizer = MotionTokenizer.from_pretrained(WEIGHTS / "motion_tokenizer", dtype=torch.float32).eval()
    camera = jacks_scene((96, 128), 39).camera
    return tokenized(tokenizer, camera_joints(jacks(), camera, fps=12.0))


def published_tokens() -> Arrays:
    """In the published form, where joints are told where they are."""
    camera = jacks_scene((96, 128), 39).camera
    motion = jacks().resample(12.0)
    joints = 1000 * camera.resample(12.0, times=motion.times).to_camera(motion.to_smpl24().joints)
    return tokenized(mtvcraft_tiny.tokenizer(), torch.from_numpy(joints[None, :21].astype(np.float32)))


CASES |= {"tokens/embedded": embedded_tokens, "tokens/published": published_tokens}


# Signals and stage


def signals(size: tuple[int, int], frames: int, camera: str) -> Arrays:
    scene = jacks_scene(size, frames, camera)
    made = control_signals(scene, size=size, frames=frames, fps=12.0)
    names = ("rays", "skeletons", "person_mask", "joints", "cameras", "intrinsics")
    return {name: getattr(made, name).numpy() for name in names}


def backdrop() -> Arrays:
    picture = np.asarray(Image.open(EXAMPLES / "character.png").convert("RGB").resize((96, 128)))
    scene = jacks_scene((96, 128), 17)
    return {"backdrop": MiniConditioning.of(scene, picture, MiniFormat(), 17, posed=False).backdrop.numpy()}


CASES |= {
    "signals/small": partial(signals, (96, 128), 17, "arc left 40deg"),
    "signals/large": partial(signals, (256, 384), 5, "arc right 30deg with pedestal up 0.3m then hold 0.1s ease"),
    "signals/backdrop": backdrop,
}  # fmt: skip
PLATED.add("signals/backdrop")


def take_on_the_stage() -> Arrays:
    scene = jacks_scene((96, 128), 3, "arc left 20deg", fps=12.0).at(12.0)
    cast, world = casting(3, scene)
    take = shoot(scene, cast, world, antialias=2)
    return {
        "rgb": take.rgb,
        "mask": take.person_mask,
        "depth": take.depth,
        "parts": take.part_ids,
        "keypoints": take.keypoints,
        "visible": take.visibility,
        "flow": take.flow,
    }


CASES["stage/take"] = take_on_the_stage


# Training


_TERMS = {"denoising": "flow"}  # as it was called when the goldens were taken


@contextmanager
def recorded(task: type[torch.nn.Module]) -> Iterator[list[dict[str, float]]]:
    """The named losses of each step of a kind of task."""
    steps: list[dict[str, float]] = []
    forward = task.forward

    def recording(self, *given):
        terms = forward(self, *given)
        steps.append({_TERMS.get(name, name): term.item() for name, term in terms.items()})
        return terms

    with mock.patch.object(task, "forward", recording):
        yield steps


def trained(recipe: str, task: type[torch.nn.Module], **options: Any) -> Arrays:
    """The named losses of the first three steps, and the weights they lead to."""
    told = {"trainer.steps": 3, "data.library": LIBRARY, **options}
    with tempfile.TemporaryDirectory() as folder, recorded(task) as steps:
        if options.get("objectives.parts.network") == "new":
            torch.manual_seed(2)
            PartNetwork((8, 8, 16, 16)).save_pretrained(Path(folder) / "parts")
            told["objectives.parts.network"] = Path(folder) / "parts"
        texts = {name: str(value) for name, value in told.items()}
        made = run_recipe(recipe, Path(folder) / "run", 5, "cpu", 0, texts)
        saved = [load_file(file) for file in sorted(made.rglob("*.safetensors"))]
    assert len(steps) == 3
    names = sorted({name for step in steps for name in step})
    losses = {name: np.array([step.get(name, np.nan) for step in steps]) for name in names}
    weights = [part[name].float().numpy().ravel() for part in saved for name in sorted(part)]
    return {**losses, "_weights": np.concatenate(weights)}


_FEW = {"data.batch": 2, "data.capacity": 4, "data.workers": 0, "trainer.warmup": 1}
_MINI = {"model.weights": WEIGHTS / "mini"}


def trained_control(adapter: str, options: dict[str, Any] | None = None) -> Arrays:
    """An adapter on mini's frozen transformer, without a people plate."""
    told = {"model.adapter": adapter, "data.frames": 5, **_MINI, **_FEW, **(options or {})}
    return trained("control", VideoTask, **told)


def trained_mini() -> Arrays:
    sizes = {"model.width": 64, "model.layers": 2, "model.motion_width": 32, "model.rank": 8}
    takes = {"data.frames": 9, "data.corrupt": 0.5, "data.corruptions": "all"}
    return trained("mini", VideoTask, **_MINI, **_FEW, **sizes, **takes)


def trained_motion() -> Arrays:
    split = MotionLibrary.split
    few = mock.patch.object(MotionLibrary, "split", lambda self, *names: split(self, *names)[:12])
    with few:
        sizes = {"data.batch": 4, "model.width": 32, "model.layers": 1, "model.heads": 2, "trainer.decay": 0}
        return trained("motion", MotionTask, **sizes)


def trained_tokenizer() -> Arrays:
    sizes = {
        "model.fine": 32,
        "model.coarse": 32,
        "model.code_dim": 8,
        "model.codes": 32,
        "trainer.warmup": 2,
    }
    few = {"frames": 9, "batch": 2, "capacity": 4, "measured": 4, "test_windows": 4}
    few = {f"data.{name}": value for name, value in few.items()}
    return trained("tokenizer", TokenizerTask, **sizes, **few)


_EVERYTHING = {
    "model.options": '{"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}',
    "objectives.track.weight": 0.01,
    "objectives.track.every": 1,
    "objectives.parts.network": "new",
    "objectives.rollouts": 0.5,
}
CASES |= {
    "training/tokenmotion": partial(trained_control, "tokenmotion", _EVERYTHING),
    "training/mosa": partial(trained_control, "mosa", {"data.company": 0.7}),
    "training/mtvcraft": partial(
        trained_control, "mtvcraft", {"model.tokenizer": WEIGHTS / "mini" / "mtvcraft" / "tokenizer"}
    ),
    "training/mtvcraft-further": partial(trained_control, "mtvcraft", {"model.start_from": WEIGHTS / "mini"}),
    "training/mini": trained_mini,
    "training/motion": trained_motion,
    "training/tokenizer": trained_tokenizer,
}
FILMED |= {name for name in CASES if name.startswith("training/")}
PLATED |= FILMED - {"training/motion", "training/tokenizer"}


# Goldens

_SAMPLES = 32
_SHARE = 2e-3  # of an output's spread, by which it may differ on another processor
_SHARES = {"motion/targets": 0.25}
"""The same for what is searched for by steps: the last digits decide where such a search ends, by centimetres."""


def key(name: str, restored: bool = RESTORED) -> str:
    """The golden of a case."""
    return name.replace("/", "-restored/", 1) if restored and name in PLATED else name


def summary(array: np.ndarray) -> dict[str, Any]:
    """Shape, kind, mean, spread and some values of an output; where values are missing, None."""
    flat = array.ravel().astype(np.float64)
    places = np.arange(min(_SAMPLES, flat.size))
    if flat.size > _SAMPLES:  # spread over the array, and over rows and columns
        places = (places * 2654435761 + 97) % flat.size
    known = flat[np.isfinite(flat)]
    return {
        "shape": list(array.shape),
        "type": str(array.dtype),
        "mean": _rounded(known.mean()),
        "std": _rounded(known.std()),
        "values": [_rounded(value) if np.isfinite(value) else None for value in flat[places]],
    }


def _rounded(value: float) -> float | int:
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() else short


def digest(array: np.ndarray) -> str:
    """SHA-256 of an output, with its shape and type."""
    whole = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def differences(made: dict[str, Any], golden: dict[str, Any], most: float = _SHARE) -> list[str]:
    """In what an output is not its golden, beyond the last digits of another processor."""
    if (made["shape"], made["type"]) != (golden["shape"], golden["type"]):
        return [f"{made['type']} {made['shape']} instead of {golden['type']} {golden['shape']}"]
    ours, theirs = (np.array(each["values"], np.float64) for each in (made, golden))
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return ["values are missing in other places"]
    off = np.abs(ours - theirs)[~np.isnan(ours)]
    moments = {name: abs(made[name] - golden[name]) for name in ("mean", "std")}
    if golden["type"] == "bool" or golden["type"].startswith("int"):
        share = float((off > 0).mean())
        return [f"{share:.0%} of the values differ"] if share > 1 / 16 else []
    if golden["type"] == "uint8":
        found = {"values": float(off.mean()), **moments}
        return [f"{name} differ by {by:.3g} grey levels" for name, by in found.items() if by > 2.0]
    few = theirs.size < _SAMPLES  # losses: three numbers
    scale = max(golden["std"], (1.0 if few else 0.01) * abs(golden["mean"]))
    shares = {name: by / scale for name, by in {"values": float(off.max(initial=0.0)), **moments}.items()}
    return [f"{name} differ by {share:.2g} of {scale:.3g}" for name, share in shares.items() if share > most]


def cases(restored: bool, beginnings: tuple[str, ...] = ()) -> list[str]:
    """The cases that are meant to hold, of those whose names begin so."""
    meant = [name for name in CASES if restored or name not in ONLY_RESTORED]
    return [name for name in meant if not beginnings or name.startswith(beginnings)]


@pytest.mark.parametrize("name", cases(RESTORED))
def test_it_is_as_it_was(name):
    if name in FILMED and LIBRARY is None:
        pytest.skip(f"the motion library is not on this machine (set {ENVIRONMENT_VARIABLE} to its folder)")
    golden = json.loads(GOLDENS.read_text())[key(name)]
    made = {each: summary(array) for each, array in CASES[name]().items() if not each.startswith("_")}
    assert made.keys() == golden.keys()
    found = {each: differences(made[each], golden[each], _SHARES.get(name, _SHARE)) for each in made}
    assert not any(found.values()), {each: lines for each, lines in found.items() if lines}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="take the goldens anew")
    what.add_argument("--sha", action="store_true", help="print the SHA-256 of every whole output")
    parser.add_argument("--restored", action=argparse.BooleanOptionalAction, default=RESTORED)
    parser.add_argument(
        "names", nargs="*", help="beginnings of the cases' names; all cases where none is given"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    goldens = json.loads(GOLDENS.read_text()) if GOLDENS.is_file() else {}
    shas: dict[str, dict[str, str]] = {}
    for name in cases(asked.restored, tuple(asked.names)):
        print(name, file=sys.stderr)
        arrays = CASES[name]()
        shas[key(name, asked.restored)] = {each: digest(array) for each, array in arrays.items()}
        goldens[key(name, asked.restored)] = {
            each: summary(array) for each, array in arrays.items() if not each.startswith("_")
        }
    if asked.sha:
        print(json.dumps(shas, indent=1))
    else:
        rows = [
            f'"{name}": {{\n'
            + ",\n".join(
                f' "{each}": {json.dumps(facts, separators=(",", ":"))}' for each, facts in golden.items()
            )
            + "}"
            for name, golden in sorted(goldens.items())
        ]
        GOLDENS.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
