"""Each paper from training to its table, small: its recipe in two processes, killed and resumed, then its protocol.

Backbones are tiny models of the real classes with random weights, and HumanVid, RealEstate10K and TikTok are made up in
their true layouts: rooms of noise, in test parts with a public-domain photograph of a woman that glides through them.
Nothing is learned here; that every step runs, resumes digit by digit and is measured is what is shown. One report stands
in OUT/report.html, and the last line is JSON.

    python benchmarks/papers_end_to_end.py --out papers
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from kinema.training.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the made-up sets and tiny models are those of the tests

SIZE, FRAMES, STEPS = (96, 64), 9, 8
PAPERS = {
    "tokenmotion": ("cogvideox", ("humanvid", "re10k")),
    "mtvcraft": ("wan-i2v", ("tiktok",)),
    "mosa": ("wan", ("mosa-prompts",)),
}
OPTIONS = {
    "tokenmotion": {"model.options": '{"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}'},
    "mtvcraft": {"model.train_backbone": "lora", "model.lora_rank": "2", "model.options": "{}"},
    "mosa": {
        "model.options": '{"depth": 2, "control_width": 16}',
        "objectives.track.every": "1",
        "objectives.track.points": "6",
    },
}


def make_inputs(place: Path) -> None:
    """Backbones, a tokenizer, and the three sets with their test parts."""
    from dataclasses import replace

    from tests.data import made_sets
    from tests.video import mtvcraft_tiny, published_tiny

    from kinema.media.video import write_video
    from kinema.scene import Scene

    if (place / "ready").exists():
        return
    published_tiny.cogvideox_pipeline(rotary=False).save_pretrained(place / "cogvideox")
    published_tiny.wan_pipeline().save_pretrained(place / "wan")
    published_tiny.wan_pipeline(picture=True).save_pretrained(place / "wan-i2v")
    mtvcraft_tiny.tokenizer().save_pretrained(place / "tokenizer")
    made_sets.humanvid(place / "HumanVid", ("a", "b", "e"), size=SIZE)
    made_sets.re10k(place / "RealEstate10K", ("c", "d"), size=SIZE)
    made_sets.data_file(place)
    people = tuple(f"h{n}" for n in range(4))
    made_sets.humanvid(place / "test" / "HumanVid", people, size=SIZE)
    for number, name in enumerate(people):
        frames = made_sets.room(made_sets.turning(15, SIZE, 20.0, 20.0 / 3), number)
        write_video(
            place / "test" / "HumanVid" / "videos" / f"{name}.mp4", with_photograph(frames, 15), made_sets.FPS
        )
    made_sets.re10k(place / "test" / "RealEstate10K", tuple(f"r{n}" for n in range(4)), size=SIZE)
    annotations = place / "test" / "RealEstate10K" / "annotations"
    (annotations / "train.json").rename(annotations / "test.json")
    (place / "test" / "scenes").mkdir()
    for number in range(335, 339):
        name, camera = f"{number:05d}", replace(made_sets.turning(45, SIZE, 4.0), fps=30.0)
        pictures = place / "test" / "TikTok" / name / "images"
        pictures.mkdir(parents=True)
        for at, frame in enumerate(with_photograph(made_sets.room(camera, number), 45)):
            Image.fromarray(frame).save(pictures / f"{at + 1:04d}.png")
        walkers = tuple(replace(each, fps=30.0) for each in made_sets.walker(camera).people)
        Scene(walkers, camera, 30.0).save(place / "test" / "scenes" / f"{name}.npz")
    (place / "ready").touch()


def with_photograph(frames: np.ndarray, count: int) -> np.ndarray:
    """Frames with a photograph (scikit-image's astronaut, NASA, public domain) that glides to the right by 16 pixels."""
    import cv2
    from skimage import data

    height, width = frames.shape[1:3]
    person = data.astronaut()[:420]
    tall = height - 4
    person = cv2.resize(person, (round(tall * person.shape[1] / 420), tall), interpolation=cv2.INTER_AREA)
    for t in range(count):
        left = 2 + round(16 * t / (count - 1))
        frames[t, height - tall :, left : left + person.shape[1]] = person[:, : width - left]
    return frames


def training(place: Path, paper: str, out: Path, resume: bool) -> list[str]:
    """The paper's recipe with its own settings but for size and length, by torchrun in two processes."""
    options = {
        "data.cache": str(place / f"cache-{paper}"),
        "data.check": "false",
        "data.size": f"{SIZE[0]},{SIZE[1]}",
        "data.frames": str(FRAMES),
        "data.batch": "4",
        "data.workers": "0",
        "trainer.steps": str(STEPS),
        "trainer.warmup": "1",
        "trainer.decay": "0",
        "trainer.log_steps": "1",
        "trainer.save_seconds": "0",
        **OPTIONS[paper],
    }
    if paper == "mtvcraft":
        options["model.tokenizer"] = str(place / "tokenizer")
    words = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "kinema",
    ]
    words += ["train", paper, "--backbone", str(place / PAPERS[paper][0]), "--data", str(place / "data.toml")]
    words += ["--out", str(out), "--minutes", "60", "--device", "cpu", *(["--resume"] if resume else [])]
    return words + [word for name, value in options.items() for word in ("--set", f"{name}={value}")]


def run(words: list[str]) -> str:
    """What a command says; its errors end the benchmark."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stderr[-3000:]}")
    return done.stdout


def rows(out: Path) -> int:
    """Steps in a run's log."""
    log = out / "log.csv"
    return max(0, log.read_text().count("\n") - 1) if log.is_file() else 0


def killed(words: list[str], out: Path, steps: int) -> bool:
    """Starts a training and kills both processes with SIGKILL after so many steps; False where it came to its end."""
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and rows(out) < steps:
        time.sleep(0.005)
    ended = process.poll() is not None
    if not ended:
        for child in [process.pid, *_children(process.pid)]:
            os.kill(child, signal.SIGKILL)
    process.wait()
    return not ended


def _children(parent: int) -> list[int]:
    """Processes that a process has started, and those that these have."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found += [int(stat.parent.name), *_children(int(stat.parent.name))]
        except (OSError, IndexError):
            continue
    return found


def trained(place: Path, paper: str, kills: int, chance: random.Random) -> dict[str, Any]:
    """One run left alone and one killed and resumed: their losses, and what differs."""
    whole, parts = place / "runs" / f"{paper}-whole", place / "runs" / f"{paper}-killed"
    begin = time.monotonic()
    if rows(whole) < STEPS:
        run(training(place, paper, whole, False))
    seconds = time.monotonic() - begin
    times = 0
    for _ in range(kills):
        wanted = rows(parts) + chance.randint(1, 2)
        if wanted >= STEPS:
            break
        times += killed(training(place, paper, parts, parts.is_dir()), parts, wanted)
    if not (parts / "export").is_dir():
        run(training(place, paper, parts, parts.is_dir()))
    first, second = (read_checkpoint(each / "checkpoint")[0] for each in (whole, parts))
    same = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    names, *lines = [line.split(",") for line in (whole / "log.csv").read_text().splitlines()]
    return {
        "steps": len(lines),
        "seconds": round(seconds, 1),
        "kills": times,
        "losses_equal": (whole / "log.csv").read_bytes() == (parts / "log.csv").read_bytes(),
        "checkpoint_equal": same,
        "loss": {name: [float(line[k]) for line in lines] for k, name in enumerate(names) if name != "step"},
        "export": str(parts / "export"),
    }


def measured(place: Path, paper: str, name: str, export: str, steps: int) -> dict[str, Any]:
    """The protocol on the killed run's result."""
    test = place / "test"
    words = [
        sys.executable,
        "-m",
        "kinema",
        "evaluate",
        "protocol",
        name,
        "--model",
        str(place / PAPERS[paper][0]),
    ]
    words += ["--control", paper, "--adapter-weights", export, "--size", f"{SIZE[0]}x{SIZE[1]}"]
    words += [
        "--window",
        str(FRAMES),
        "--steps",
        str(steps),
        "--judge",
        "mediapipe",
        "--ladder",
        "4",
        "--json",
    ]
    words += ["--out", str(place / "protocols" / name)]
    words += {
        "humanvid": ["--data", str(test / "HumanVid"), "--convention", "c2w"],
        "re10k": ["--data", str(test / "RealEstate10K")],
        "tiktok": ["--data", str(test / "TikTok"), "--scenes", str(test / "scenes"), "--no-capture"],
        "mosa-prompts": ["--limit", "4"],
    }[name]
    begin = time.monotonic()
    result = json.loads(run(words).splitlines()[-1])
    return {**result, "seconds": round(time.monotonic() - begin, 1)}


def report(place: Path, papers: dict[str, Any]) -> None:
    """One page: losses and tables."""
    parts = ["<!doctype html><meta charset=utf-8><title>Papers end to end</title>",
             "<style>body{font:14px system-ui;margin:24px auto;max-width:1100px}td,th{padding:3px 12px 3px 0}"
             "th{text-align:left}td.n{text-align:right}</style>",
             "<h1>Papers end to end, on tiny models of the real classes</h1>",
             f"<p>{escape((__doc__ or '').split(chr(10) + chr(10))[1])}</p>"]  # fmt: skip
    for paper, facts in papers.items():
        run_facts = facts["training"]
        parts.append(
            f"<h2>{escape(paper)}</h2><p>{run_facts['steps']} steps in two processes, {run_facts['kills']} kills: losses "
            f"{'equal digit by digit' if run_facts['losses_equal'] else 'DIFFER'}, checkpoint "
            f"{'equal bit by bit' if run_facts['checkpoint_equal'] else 'DIFFERS'}.</p><table>"
        )
        for name, values in run_facts["loss"].items():
            parts.append(
                f"<tr><td>{escape(name)}</td>{''.join(f'<td class=n>{v:.6g}</td>' for v in values)}</tr>"
            )
        parts.append("</table>")
        for result in facts["protocols"].values():
            columns = list(result["columns"])
            parts.append(f"<h3>{escape(result['title'])}</h3><table><tr><th></th>")
            parts.append(
                "".join(f"<th>{escape(name)}</th>" for name in columns) + "<th>printed by papers</th></tr>"
            )
            for row in result["rows"]:
                cells = "".join(
                    f"<td class=n>{'-' if row['values'][c] is None else format(row['values'][c], '.4g')}</td>"
                    for c in columns
                )
                printed = ", ".join(f"{who} {value:g}" for who, value in row["printed"].items())
                parts.append(f"<tr><td>{escape(row['title'])}</td>{cells}<td>{escape(printed)}</td></tr>")
            parts.append("</table><ul>")
            parts += [f"<li>{escape(line)}</li>" for line in result["conventions"]]
            parts.append("</ul>")
    (place / "report.html").write_text("\n".join(parts), encoding="utf-8")
    (place / "report.json").write_text(json.dumps(papers, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--kills", type=int, default=2, help="of each paper's training")
    parser.add_argument("--sampling-steps", type=int, default=2)
    parser.add_argument("--papers", nargs="*", default=list(PAPERS), choices=list(PAPERS))
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    arguments.out.mkdir(parents=True, exist_ok=True)
    place = arguments.out.absolute()
    make_inputs(place)
    chance = random.Random(0)
    papers: dict[str, Any] = {}
    for paper in arguments.papers:
        facts: dict[str, Any] = {"training": trained(place, paper, arguments.kills, chance), "protocols": {}}
        print(
            f"{paper}: {facts['training']['kills']} kills, losses equal: {facts['training']['losses_equal']}",
            flush=True,
        )
        for name in PAPERS[paper][1]:
            made = measured(place, paper, name, facts["training"]["export"], arguments.sampling_steps)
            facts["protocols"][name] = made
            print(
                f"  {name}: {made['split']['clips']} clips, {made['failures']}, {made['seconds']} s",
                flush=True,
            )
        papers[paper] = facts
    report(place, papers)
    print(f"{place / 'report.html'}")
    good = all(
        each["training"][key] for each in papers.values() for key in ("losses_equal", "checkpoint_equal")
    )
    last = {
        "losses_equal": {name: each["training"]["losses_equal"] for name, each in papers.items()},
        "kills": {name: each["training"]["kills"] for name, each in papers.items()},
        "clips_failed": {
            name: result["failures"]["ours"]
            for each in papers.values()
            for name, result in each["protocols"].items()
        },
        "finite": all(
            np.isfinite(v).all() for each in papers.values() for v in each["training"]["loss"].values()
        ),
    }
    print(json.dumps(last))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
