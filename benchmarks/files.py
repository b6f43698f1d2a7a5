#!/usr/bin/env python
"""What readers make of damaged files: each is given mutated inputs, which it must read or refuse in its own words.

    python benchmarks/files.py --inputs ../shared/real_cases
    python benchmarks/files.py --inputs ../shared/real_cases --reader bvh --seed 1234 --keep broken.bvh

A fault is any exception but `FormatError` that names the file (or OSError), a warning of NumPy, more than 5 s of
processor time, more than 1 GB of memory above what the process had, a crash, or no answer within a minute. Inputs are
what Kinema's own writers make, and of `--inputs` the files of each kind. Cases run in a process of their own, so that a
crash is a finding. A case is decided by reader, seed and inputs: give the same to repeat it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from file_mutations import mutated

SECONDS, MEGABYTES, NO_ANSWER = 5.0, 1024, 60.0
_LARGEST_INPUT = 1 << 21  # bytes; larger inputs only cost time
_ADDRESS_SPACE = 6 << 30  # bytes; beyond it an allocation fails instead of the machine
_BREAKDOWNS = 50  # of a reader's process, after which the rest of its cases is left out
_SHOWN = 12  # kinds of faults that are printed a reader
_SUFFIXES = {
    ".bvh": "bvh",
    ".glb": "gltf",
    ".gltf": "gltf",
    ".vrm": "gltf",
    ".vrma": "gltf",
    ".npz": "npz",
    ".npy": "npy",
    ".txt": "camera",
    ".tum": "camera",
    ".kitti": "camera",
    ".chan": "camera",
    ".json": "camera",
    ".png": "picture",
    ".jpg": "picture",
    ".webp": "picture",
    ".mp4": "video",
    ".webm": "video",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reader", choices=READERS, action="append", help="only this one; may be repeated")
    parser.add_argument("--cases", type=int, default=10_000, help="a reader")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--inputs", type=Path, help="a folder of real files, read with its subfolders")
    parser.add_argument("--seed", type=int, help="this case alone, in this process, with what it raises")
    parser.add_argument("--keep", type=Path, help="with --seed: where the mutated file is left")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)  # the last seed, the folder of own inputs
    options = parser.parse_args()
    readers = options.reader or list(READERS)
    if options.seed is not None:
        if len(readers) != 1:
            parser.error("--seed needs one --reader")
        sys.exit(repeat(readers[0], options))
    if options.work is not None:
        work(readers[0], options)
        return
    with tempfile.TemporaryDirectory() as own:
        own_inputs(Path(own))
        tallies = [run(reader, Path(own), options) for reader in readers]
    show(tallies, options)
    sys.exit(any(tally.faults for tally in tallies))


# Readers and what they are given


def own_inputs(folder: Path) -> None:
    """Files of every kind as Kinema itself writes them."""
    from PIL import Image

    import kinema
    from kinema.media.video import write_video
    from kinema.scene.camera_language import camera_path
    from kinema.scene.formats import amass, kimodo_npz, openpose
    from kinema.scene.formats.cameras import write_camera
    from kinema.scene.motion import Motion
    from kinema.scene.scene import Scene

    rng = np.random.default_rng(0)
    example = Path(__file__).resolve().parent.parent / "examples" / "walk_and_wave.bvh"
    whole = kinema.read_motion(example, unit="m")
    rotations = None if whole.rotations is None else whole.rotations[:6]
    motion = Motion(whole.joints[:6], whole.fps, whole.skeleton, rotations)
    person = motion.to_smpl24()
    for suffix in (".bvh", ".glb", ".gltf", ".npz"):
        kinema.write_motion(folder / f"motion{suffix}", motion)
    kinema.write_motion(folder / "humanml3d.npy", person)
    np.save(folder / "features.npy", rng.normal(size=(6, 263)).astype(np.float32))
    amass.write(folder / "amass.npz", person)
    kimodo_npz.write(folder / "kimodo.npz", person)
    camera = camera_path("arc left 40deg", size=(96, 64), fps=motion.fps, frames=6)
    Scene((person, person), camera, motion.fps).save(folder / "scene.npz")
    for name in ("camera.json", "camera.txt", "camera.tum", "camera.kitti", "transforms.json", "images.txt"):
        write_camera(folder / name, camera)
    points = rng.uniform(0, 300, (3, 2, 18, 3))
    keypoints = openpose.KeypointSequence(points, "openpose18", 30.0, (320, 240))
    openpose.write(folder / "keypoints.json", keypoints)
    pixels = rng.integers(0, 256, (24, 32, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    Image.fromarray(pixels[..., 0]).convert("P").save(folder / "palette.png")
    Image.fromarray(pixels[..., :3]).save(folder / "picture.jpg", quality=90)
    Image.fromarray(pixels).save(folder / "picture.webp")
    write_video(folder / "film.mp4", rng.integers(0, 256, (6, 32, 48, 3), dtype=np.uint8), 24.0)
    for name in folder.glob("*.mp4.json"):
        name.unlink()


def kind_of(path: Path) -> str | None:
    """Which reader a file is an input of."""
    return "keypoints" if "keypoints" in path.name else _SUFFIXES.get(path.suffix.lower())


def inputs_of(reader: str, folders: Iterable[Path]) -> list[tuple[str, bytes]]:
    """Suffix and content of the inputs of a reader."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        (path.suffix, path.read_bytes())
        for path in paths
        if kind_of(path) == reader and path.stat().st_size < _LARGEST_INPUT
    ]


def read_motion(path: Path) -> None:
    from kinema.scene.formats import read_motion_file

    read_motion_file(path)


def read_camera(path: Path) -> None:
    from kinema.scene.formats.cameras import read_camera_file

    read_camera_file(path)


def read_keypoints(path: Path) -> None:
    from kinema.scene.formats import openpose

    openpose.read_people(path, size=(320, 240))


def read_picture(path: Path) -> None:
    from kinema.media.pictures import read_picture as read

    read(path)


def read_video(path: Path) -> None:
    from kinema.media.decoding import open_video

    with open_video(path, stop=2.0, max_side=256) as video:
        for _ in video.chunks():
            pass


READERS: dict[str, Callable[[Path], None]] = {
    "bvh": read_motion,
    "gltf": read_motion,
    "npz": read_motion,
    "npy": read_motion,
    "camera": read_camera,
    "keypoints": read_keypoints,
    "picture": read_picture,
    "video": read_video,
}


# One case


@dataclass
class Outcome:
    """What became of one case.

    Args:
        seed: of it.
        result: "read", "refused" or "fault".
        seconds: of processor time.
        megabytes: of memory above what the process had before.
        what: of a fault: its kind, the same for all cases that have it.
        said: its message.
    """

    seed: int
    result: str
    seconds: float = 0.0
    megabytes: float = 0.0
    what: str = ""
    said: str = ""


def case(reader: str, seed: int, inputs: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Suffix and content of a mutated file."""
    rng = np.random.default_rng([zlib.crc32(reader.encode()), seed])
    suffix, content = inputs[int(rng.integers(len(inputs)))]
    _, other = inputs[int(rng.integers(len(inputs)))]
    return suffix, mutated(content, other, rng)


def attempt(reader: str, seed: int, path: Path) -> Outcome:
    """What a reader makes of a file."""
    before = reset_peak()
    started = time.process_time()
    result, what, said = "read", "", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            READERS[reader](path)
    except Exception as error:
        result, what, said = judged(error, path)
    seconds, megabytes = time.process_time() - started, peak() - before
    if result != "fault" and seconds > SECONDS:
        result, what = "fault", f"slower than {SECONDS:g} s"
    elif result != "fault" and megabytes > MEGABYTES:
        result, what = "fault", f"more than {MEGABYTES} MB"
    return Outcome(seed, result, seconds, megabytes, what, said)


def judged(error: Exception, path: Path) -> tuple[str, str, str]:
    """Whether an exception is a reader's own, and else its kind and place, and what it says."""
    from kinema.scene.formats.errors import FormatError

    if isinstance(error, FormatError):
        if str(path) not in str(error):
            return "fault", "FormatError that does not name the file", str(error)[:100]
        return "refused", "", ""
    if isinstance(error, OSError):
        return "refused", "", ""
    frames = traceback.extract_tb(error.__traceback__)
    ours = next((frame for frame in reversed(frames) if "kinema" in frame.filename.split(os.sep)), frames[-1])
    return "fault", f"{type(error).__name__} in {Path(ours.filename).name}:{ours.lineno}", str(error)[:100]


def reset_peak() -> float:
    """Memory of this process in MB; its peak is counted anew where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return peak()
    return peak()


def peak() -> float:
    """The largest memory that this process had, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


# Many cases


@dataclass
class Tally:
    """What became of the cases of a reader.

    Args:
        reader: its name.
        read, refused: how many cases.
        slowest, largest: seconds and MB, each with its seed.
        faults: by kind, how many cases, the first seed and what was said.
    """

    reader: str
    read: int = 0
    refused: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    largest: tuple[float, int] = (0.0, 0)
    faults: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.read += outcome.result == "read"
        self.refused += outcome.result == "refused"
        self.slowest = max(self.slowest, (outcome.seconds, outcome.seed))
        self.largest = max(self.largest, (outcome.megabytes, outcome.seed))
        if outcome.result == "fault":
            count, first, said = self.faults.get(outcome.what, (0, outcome.seed, outcome.said))
            self.faults[outcome.what] = count + 1, first, said


def run(reader: str, own: Path, options: argparse.Namespace) -> Tally:
    """All cases of a reader, in processes that are started again where one breaks down."""
    tally = Tally(reader)
    seed, last = options.first, options.first + options.cases
    for _ in range(_BREAKDOWNS):
        for outcome in worker(reader, range(seed, last), own, options):
            tally.add(outcome)
            seed = outcome.seed + 1
        if seed == last:
            break
    return tally


def worker(reader: str, seeds: range, own: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """Outcomes of a process of its own, until it is done or breaks down."""
    seed, last = seeds.start, seeds.stop
    command = [
        sys.executable,
        __file__,
        "--reader",
        reader,
        "--first",
        str(seed),
        "--work",
        str(last),
        str(own),
    ]
    if options.inputs:
        command += ["--inputs", str(options.inputs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    while seed < last:
        try:
            line = lines.get(timeout=NO_ANSWER)
        except queue.Empty:
            process.kill()
            yield Outcome(seed, "fault", NO_ANSWER, 0.0, f"no answer within {NO_ANSWER:g} s")
            break
        if not line:
            yield Outcome(seed, "fault", 0.0, 0.0, f"the process ended with {process.wait()}")
            break
        outcome = Outcome(**json.loads(line))
        seed = outcome.seed + 1
        yield outcome
    process.wait()


def work(reader: str, options: argparse.Namespace) -> None:
    """Cases from `--first` to `--work`, an outcome a line."""
    last, own = options.work
    inputs = inputs_of(reader, [Path(own), *([options.inputs] if options.inputs else [])])
    with tempfile.TemporaryDirectory() as name:
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.RLIM_INFINITY))
        for seed in range(options.first, int(last)):
            suffix, content = case(reader, seed, inputs)
            path = Path(name) / f"case{suffix}"
            path.write_bytes(content)
            print(json.dumps(vars(attempt(reader, seed, path))), flush=True)
            path.unlink()


def repeat(reader: str, options: argparse.Namespace) -> int:
    """One case again, with all that it says."""
    with tempfile.TemporaryDirectory() as name:
        own_inputs(Path(name))
        inputs = inputs_of(reader, [Path(name), *([options.inputs] if options.inputs else [])])
        suffix, content = case(reader, options.seed, inputs)
        path = options.keep or Path(name) / f"case{suffix}"
        path.write_bytes(content)
        try:
            READERS[reader](path)
        except Exception:
            traceback.print_exc()
        outcome = attempt(reader, options.seed, path)
    print(json.dumps(vars(outcome)))
    return outcome.result == "fault"


def show(tallies: list[Tally], options: argparse.Namespace) -> None:
    """The table, the faults, and all as JSON."""
    print(f"seeds {options.first} to {options.first + options.cases - 1}\n")
    print(f"{'reader':10} {'read':>8} {'refused':>8} {'faults':>7} {'slowest':>9} {'memory':>9}")
    for tally in tallies:
        faults = sum(count for count, _, _ in tally.faults.values())
        times = f"{tally.slowest[0]:8.2f}s {tally.largest[0]:7.0f}MB"
        print(f"{tally.reader:10} {tally.read:8} {tally.refused:8} {faults:7} {times}")
    for tally in tallies:
        for what, (count, first, said) in sorted(tally.faults.items(), key=lambda each: -each[1][0])[:_SHOWN]:
            print(f"\n{count} x {what}: {said}\n    --reader {tally.reader} --seed {first}")
    print(json.dumps([vars(tally) for tally in tallies]))


if __name__ == "__main__":
    main()
