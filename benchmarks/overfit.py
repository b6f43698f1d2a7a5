"""Can a control adapter learn eight takes by heart, through its signals? Trained for minutes, then judged.

    python benchmarks/overfit.py --adapter mosa --minutes 5

Trains recipe `overfit` on the frozen embedded mini, makes every take's video with its own signals and with those of
another take, and judges both against the take itself, beside its first frame held still. Memory alone would make the
two equal; the gate is own above shuffled by GATE in IoU and in PCK. The last line is JSON; frames.png shows, take by
take, the reference and moments of the take, of its video with own signals, and of that with shuffled ones.
Without the motion library, the motions in examples/ are filmed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from kinema.data.filming import FilmedClip
from kinema.data.motion_library import library_folder
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_clips import keypoint_truth
from kinema.evaluation.protocols.pipelines import round_trip
from kinema.training.fixed_takes import film_fixed_takes
from kinema.training.recipes import run_recipe
from kinema.video import KinemaPipeline, load_pipeline

GATE = 0.15  # as `kinema evaluate control` asks it of own minus shuffled
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def make_videos(
    pipe: KinemaPipeline, films: Sequence[FilmedClip], scenes: Sequence[FilmedClip], steps: int
) -> list[np.ndarray]:
    """Each film's caption and character, moved as the film of the same place in `scenes` says."""
    pipe.set_progress_bar_config(disable=True)
    return [
        pipe(
            film.caption,
            film.reference,
            other.scene,
            frames=film.take.frames,
            seed=number,
            steps=steps,
            shift=30.0,
        ).frames
        for number, (film, other) in enumerate(zip(films, scenes, strict=True))
    ]


def judge(
    network: KeypointNetworkJudge,
    autoencoder: torch.nn.Module,
    videos: Sequence[np.ndarray],
    films: Sequence[FilmedClip],
) -> dict[str, float]:
    """Means over takes: PCK@0.1H, IoU of silhouettes, and the squared latent error relative to that of the first
    frame held still."""
    pcks, ious, errors, zeros = [], [], [], []
    for video, film in zip(videos, films, strict=True):
        take = film.take
        pcks.append(pck(network.watch(video).points, keypoint_truth(take)))
        ious.append(silhouette_iou(network.silhouette(video), take.person_mask))
        clean = latents(autoencoder, take.rgb)
        frozen = np.repeat(take.rgb[:1], take.frames, axis=0)
        errors.append(float((latents(autoencoder, video) - clean).square().sum()))
        zeros.append(float((latents(autoencoder, frozen) - clean).square().sum()))
    return {
        "pck": round(float(np.nanmean(pcks)), 4),
        "iou": round(float(np.nanmean(ious)), 4),
        "latent_error": round(sum(errors) / sum(zeros), 4),
    }


@torch.no_grad()
def latents(autoencoder: torch.nn.Module, video: np.ndarray) -> torch.Tensor:
    pixels = torch.from_numpy(video.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1
    return autoencoder.encode(pixels).latent_dist.mode()


def contact_sheet(films: Sequence[FilmedClip], *videos: Sequence[np.ndarray]) -> Image.Image:
    """One row per take: the reference, then four moments of the take and of each of its videos, twice enlarged."""
    rows = []
    for number, film in enumerate(films):
        moments = np.linspace(0, film.take.frames - 1, 4).astype(int)
        pictures = [film.reference, *film.take.rgb[moments]]
        for made in videos:
            pictures += [np.full_like(film.reference[:, :4], 255), *made[number][moments]]
        rows.append(np.concatenate(pictures, axis=1))
    sheet = Image.fromarray(np.concatenate(rows))
    return sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adapter", default="tokenmotion")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training; 0 judges what is in --out")
    parser.add_argument("--takes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2, help="denoising steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--motions", help="folder of motion files to film instead of the motion library")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of recipe overfit")
    parser.add_argument("--out", type=Path, help="default: out/overfit/ADAPTER; a run found there goes on")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    out = arguments.out or Path("out") / "overfit" / arguments.adapter
    motions = arguments.motions or (None if library_folder() else str(EXAMPLES))

    options = {"model.adapter": arguments.adapter, "data.takes": str(arguments.takes)}
    options |= {} if motions is None else {"data.motions": motions}
    options |= dict(option.split("=", 1) for option in arguments.set)
    trained = run_recipe("overfit", out, arguments.minutes, "cpu", arguments.seed, options)

    pipe = load_pipeline(trained, adapters=(arguments.adapter,))
    films = film_fixed_takes(arguments.takes, seed=arguments.seed, form=pipe.video_format, motions=motions)
    others = [*films[1:], films[0]]
    videos = {
        "own": make_videos(pipe, films, films, arguments.steps),
        "shuffled": make_videos(pipe, films, others, arguments.steps),
        "frozen": [np.repeat(film.take.rgb[:1], film.take.frames, axis=0) for film in films],
        "roundtrip": [round_trip(pipe.video_model, film.take.rgb) for film in films],
    }
    network = KeypointNetworkJudge()
    result: dict[str, Any] = {"adapter": arguments.adapter, "takes": len(films)}
    for name, made in videos.items():
        result[name] = judge(network, pipe.autoencoder, made, films)
        print(f"{name:10} " + "  ".join(f"{key} {value:.3f}" for key, value in result[name].items()))
    followed = judge(network, pipe.autoencoder, videos["shuffled"], others)
    result["shuffled_against_its_signals"] = {name: followed[name] for name in ("pck", "iou")}
    margins = {name: result["own"][name] - result["shuffled"][name] for name in ("pck", "iou")}
    result["passed"] = all(margin >= GATE for margin in margins.values())
    result["training"] = json.loads((out / "losses.json").read_text())
    contact_sheet(films, videos["own"], videos["shuffled"]).save(out / "frames.png")
    print(f"own above shuffled by {GATE} in PCK and IoU: {'pass' if result['passed'] else 'FAIL'}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
