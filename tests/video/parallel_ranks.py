"""What two ranks do together for tests/video/test_parallel.py; every rank checks, and all reports are kept."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig, WanVACETransformer3DModel
from tests.video import published_tiny, tiny, vace_tiny
from tests.video.test_caches import animate

from kinema.app.cli import main
from kinema.diffusion.guider import Guidance
from kinema.media.video import read_video
from kinema.video.caching import CacheChoice, Caching
from kinema.video.loading import load_pipeline
from kinema.video.memory import offload_blocks
from kinema.video.models.context_parallel import enable_context_parallel
from kinema.video.models.wan_fun_transformer import WanFunTransformer3DModel
from kinema.video.parallel import share_out

RANKS = 2
SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)
CPU = torch.device("cpu")


def run(rank: int, folder: str) -> None:
    """Does every check, and saves {check: "" or a traceback}."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(RANKS)}
    rendezvous = f"file://{folder}/rendezvous"
    patience = timedelta(seconds=60)  # where one has failed, the other does not wait long
    dist.init_process_group("gloo", timeout=patience, rank=rank, world_size=RANKS, init_method=rendezvous)
    reports = {}
    for check in CHECKS:
        try:
            check(Path(folder))
            reports[check.__name__] = ""
        except Exception:
            reports[check.__name__] = traceback.format_exc()
    torch.save(reports, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


def vace() -> tuple[WanVACETransformer3DModel, dict[str, torch.Tensor]]:
    transformer = vace_tiny.transformer(0)
    return transformer, {
        "hidden_states": torch.randn(1, 4, 3, 6, 4),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 5, 16),
        "control_hidden_states": torch.randn(1, 72, 3, 6, 4),
    }


def wan_fun(times: bool = False) -> tuple[WanFunTransformer3DModel, dict[str, torch.Tensor]]:
    """With rays and a reference; with `times` one for each token, as of Wan 2.2 5B."""
    torch.manual_seed(0)
    transformer = WanFunTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        freq_dim=16,
        ffn_dim=16,
        num_layers=2,
        add_control_adapter=True,
        add_ref_conv=True,
        in_dim_ref_conv=4,
    ).eval()
    return transformer, {
        "hidden_states": torch.randn(1, 4, 3, 6, 4),
        "timestep": torch.randint(0, 1000, (1, 18)) if times else torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 5, 16),
        "rays": torch.randn(1, 24, 3, 48, 32),
        "reference": torch.randn(1, 4, 6, 4),
    }


def same_alone_and_together(made, **options) -> None:
    """One process gives what two give, whether the tokens divide or not."""
    for anything in (False, True):
        (alone, inputs), (shared, _) = made(), made()
        config = ContextParallelConfig(ulysses_degree=RANKS, ulysses_anything=anything)
        enable_context_parallel(shared, config, **options)
        with torch.no_grad():
            expected, ours = (
                each(**{key: _copied(value) for key, value in inputs.items()}, return_dict=False)[0]
                for each in (alone, shared)
            )
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def _copied(value):
    return value.clone() if isinstance(value, torch.Tensor) else value


def context_parallel_vace(folder: Path) -> None:
    same_alone_and_together(vace)


def context_parallel_animate(folder: Path) -> None:
    """Three latent frames on two ranks: a share ends within a frame, which the face speaks to as a whole."""
    same_alone_and_together(animate)


def context_parallel_animate_with_a_face_after_the_last_block(folder: Path) -> None:
    def short():
        transformer, inputs = animate()
        del transformer.blocks[6:]
        return transformer, inputs

    same_alone_and_together(short)


def context_parallel_wan(folder: Path) -> None:
    same_alone_and_together(lambda: (tiny.wan(), tiny.wan_inputs()))


def context_parallel_wan_fun(folder: Path) -> None:
    """24 tokens, six of them the reference's; one time, and one for each token."""
    same_alone_and_together(wan_fun)
    same_alone_and_together(lambda: wan_fun(times=True))


def context_parallel_cogvideox(folder: Path) -> None:
    """Without an adapter; and without text, which nothing of could be shared out."""
    same_alone_and_together(lambda: (tiny.cogvideox(), tiny.cogvideox_inputs()))

    def mute():
        inputs = tiny.cogvideox_inputs()
        return tiny.cogvideox(), {**inputs, "encoder_hidden_states": inputs["encoder_hidden_states"][:, :0]}

    same_alone_and_together(mute, reads_text=False)


def refusals(folder: Path) -> None:
    config = ContextParallelConfig(ulysses_degree=RANKS)
    with pytest.raises(ValueError, match="no plan of context parallelism for Linear"):
        enable_context_parallel(torch.nn.Linear(1, 1), config)
    cached = tiny.wan()
    Caching(CacheChoice.of("first-block"), (cached,))
    with pytest.raises(ValueError, match="each rank would leave out other steps"):
        enable_context_parallel(cached, config)
    with pytest.raises(ValueError, match=r"the 2 heads of .* do not divide by 3 processes: take 2"):
        enable_context_parallel(tiny.wan(), ContextParallelConfig(ulysses_degree=3))
    fused = tiny.cogvideox()
    fused.fuse_qkv_projections()
    with pytest.raises(ValueError, match="fused projections"):
        enable_context_parallel(fused, config)


def made_by(pipeline, frames: int = 9, **options) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    if pipeline.video_model.reads_picture:
        options["image"] = np.full((48, 32, 3), 90, np.uint8)
    return pipeline("a person", scene=tiny.scene(frames), frames=frames, steps=2, **options).frames


def half_a_grey_level(ours: np.ndarray, expected: np.ndarray) -> None:
    """Of what is rounded to whole ones."""
    assert np.abs(ours.astype(int) - expected).max() <= 1
    assert np.mean(ours != expected) < 0.01


def pipelines_in_groups_of_tokens(folder: Path) -> None:
    """Whole pipelines: CogVideoX 1.0, 1.5 and Fun, two experts, one time per token, VACE, Animate, with a control."""
    for name, controls in (
        ("cogvideox", []),
        ("cogvideox-i2v", []),
        ("cogvideox15", []),
        ("fun", None),
        ("a14b", []),
        ("5b", []),
        ("vace", None),
        ("animate", None),
        ("wan", ["tokenmotion"]),
    ):
        form = {"size": SIZE if name != "5b" else (32, 64), "frames": 9, "fps": 8.0}
        alone = load_pipeline(folder / name, controls, **form)
        expected = made_by(alone)
        shared = load_pipeline(folder / name, controls, parallel="context", **form)
        half_a_grey_level(made_by(shared), expected)
        assert shared.loaded_with == {"parallel": "context", "processes": 2}, name


def guidance_parallel(folder: Path) -> None:
    """Three passes of guidance on two ranks, with a control and its tokens, and with a cache that leaves steps out."""
    guidance = Guidance(text=4.0, pose=2.0)
    for cache in (None, "first-block:0.5"):
        pipeline = load_pipeline(folder / "wan", size=SIZE, cache=cache)
        ran = []
        pipeline.transformer.blocks[1].register_forward_pre_hook(lambda *_, ran=ran: ran.append(1))
        expected, alone = made_by(pipeline, guidance=guidance), len(ran)
        ran.clear()
        share_out(pipeline, "guidance", CPU)
        assert np.array_equal(made_by(pipeline, guidance=guidance), expected)
        assert len(ran) < alone
        several = torch.tensor(len(ran))
        dist.all_reduce(several)
        assert several == alone


def guidance_of_one_pass_says_who_waits(folder: Path) -> None:
    pipeline = load_pipeline(folder / "wan", size=SIZE, parallel="guidance")
    assert not pipeline.cautions(Guidance(text=4.0))
    (line,) = pipeline.cautions(Guidance())
    assert line.startswith("guidance makes 1 pass a step")
    assert len(made_by(pipeline, guidance=Guidance())) == 9


def offloaded_block_by_block(folder: Path) -> None:
    """As `--memory low` does it, with the CPU in the card's place."""
    expected = made_by(load_pipeline(folder / "vace", size=SIZE, frames=9))
    pipeline = load_pipeline(folder / "vace", size=SIZE, frames=9)
    offload_blocks(pipeline, CPU)
    share_out(pipeline, "context", CPU)
    half_a_grey_level(made_by(pipeline), expected)


def what_is_chosen(folder: Path) -> None:
    """Guidance where it makes several passes, else tokens; where those cannot be shared, passes again."""
    for name, expected in (("wan", "guidance"), ("animate", "context")):
        assert load_pipeline(folder / name, size=SIZE, parallel="auto").loaded_with["parallel"] == expected
    with pytest.raises(ValueError, match="--parallel both makes two groups of 4, 6, 8"):
        load_pipeline(folder / "wan", size=SIZE, parallel="both")
    with pytest.raises(ValueError, match="--parallel rows: give auto, context, guidance, both"):
        load_pipeline(folder / "wan", size=SIZE, parallel="rows")
    with pytest.raises(ValueError, match=r"--parallel context: .* a cache: .*; or take guidance"):
        load_pipeline(folder / "wan", size=SIZE, parallel="context", cache="taylorseer")
    with pytest.raises(ValueError, match="mosa reads neighbours of every token"):
        load_pipeline(folder / "mosa", ["mosa"], size=SIZE, parallel="context")


def both(folder: Path) -> None:
    """Two groups of one: what four processes do with four, as far as two can."""
    pipeline = load_pipeline(folder / "wan", size=SIZE)
    expected = made_by(pipeline)
    with mock.patch("kinema.video.parallel._degrees", return_value=("both", 2, 1)):
        share_out(pipeline, "both", CPU)
    assert np.array_equal(made_by(pipeline), expected)


def command(*words: object) -> tuple[int, str, str]:
    """`kinema WORDS` in this process: exit code, standard output and standard error."""
    said, told, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["kinema", *map(str, words)]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(told),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue(), told.getvalue()


def animated(folder: Path, backbone: str, name: str, *more: object) -> tuple[int, str, str]:
    words = ["animate", "--motion", folder / "walk.bvh", "--backbone", folder / backbone, "--size", "32x48"]
    words += ["--window", 9, "--fps", 8, "--seconds", 1, "--steps", 2, "--prompt", "a person", "--json"]
    return command(*words, "-o", folder / f"{name}.mp4", "--crf", 0, "--force", *more)


def the_command(folder: Path) -> None:
    """`torchrun -m kinema animate`: one video, said and written once, as one process makes it."""
    first = dist.get_rank() == 0
    if first:
        with mock.patch.dict(os.environ, {"WORLD_SIZE": "1"}):
            code, _, told = animated(folder, "vace", "alone")
        assert code == 0, told
    for number, more in enumerate(
        [["--parallel", "context"], ["--parallel", "guidance"], [], ["--takes", 2]]
    ):
        dist.barrier()
        code, said, told = animated(folder, "vace", "together", *more)
        assert code == 0, told
        if first:
            facts = json.loads(said.splitlines()[-1])
            assert facts["parallel"] == ("guidance" if number else "context")
            assert facts["processes"] == 2
            seeded = [folder / "alone.mp4", folder / "together.mp4"]
            if number < 3:
                expected, ours = (read_video(each).frames for each in seeded)
                half_a_grey_level(ours, expected)
        else:
            assert not said
            assert not told


def a_refusal_of_the_command(folder: Path) -> None:
    """Said once, by the first process; nobody waits for ever."""
    code, said, told = animated(folder, "wan", "no", "--parallel", "context", "--cache", "pab")
    first = dist.get_rank() == 0
    assert code == (2 if first else 0)
    assert not said
    assert ("each rank would leave out other steps" in told) == first
    assert not (folder / "no.mp4").exists()


CHECKS = (
    context_parallel_vace,
    context_parallel_animate,
    context_parallel_animate_with_a_face_after_the_last_block,
    context_parallel_wan,
    context_parallel_wan_fun,
    context_parallel_cogvideox,
    refusals,
    pipelines_in_groups_of_tokens,
    guidance_parallel,
    guidance_of_one_pass_says_who_waits,
    offloaded_block_by_block,
    what_is_chosen,
    both,
    the_command,
    a_refusal_of_the_command,
)
