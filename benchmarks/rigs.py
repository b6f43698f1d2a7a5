"""How well bones are found in mesh sequences whose bones are known: bodies of the stage on clips of the motion library.

    OMP_NUM_THREADS=1 python benchmarks/rigs.py [--shapes 4] [--motions 2]

Figures, as shares of the height: `error` of the sequence itself, `transfer` to another motion of the same body (weights
kept, rigid motions of the bones fitted anew); `rand`, adjusted Rand index of each vertex's strongest bone against that of
the body's own weights. Ways: `clusters` (k-means of what moves alike, one bone a vertex), `rig` (`kinema rig`), and `own`
(the body's own weights: the floor of what rigid bones can do with 24 bones).
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from kinema.data.motion_library import MotionLibrary
from kinema.scene import rigging
from kinema.scene.motion import Motion
from kinema.stage.body import Body, BodyShape, make_body
from kinema.stage.rig import segment_transforms
from motion_hooks import compared

BONES, FRAMES = 24, 40


def meshes(body: Body, motion: Motion) -> np.ndarray:
    """The body's vertices in forty frames of a motion, [T, V, 3]."""
    joints = motion.joints[np.linspace(0, motion.frames - 1, FRAMES).astype(int)]
    affine = segment_transforms(joints, body.girth)
    last = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*affine.shape[:2], 1, 4))
    moved = np.concatenate([affine, last], axis=2) @ body.unpose
    points = np.concatenate([body.vertices, np.ones((len(body.vertices), 1))], axis=1)
    parts = (
        body.weights[:, corner, None]
        * np.einsum("tvab,vb->tva", moved[:, body.bones[:, corner]], points)[..., :3]
        for corner in range(4)
    )
    return np.sum(list(parts), axis=0)


def fitted(rest: np.ndarray, weights: np.ndarray, vertices: np.ndarray) -> float:
    """Root mean square distance after the bones' motions are fitted, as a share of the height."""
    rotations, translations = rigging.fit_bones_to(rest, weights, vertices)
    off = rigging.skinned(rest, weights, rotations, translations) - vertices
    return float(np.sqrt(np.square(off).sum(-1).mean()) / np.ptp(rest[:, 1]))


def rand_index(a: np.ndarray, b: np.ndarray) -> float:
    """Adjusted Rand index of two partitions (Hubert and Arabie 1985)."""

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1) / 2).sum())

    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    both, of_a, of_b = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = of_a * of_b / pairs(np.array([len(a)]))
    return (both - expected) / (0.5 * (of_a + of_b) - expected)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", type=int, default=4)
    parser.add_argument("--motions", type=int, default=2)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    clips = list(MotionLibrary.open().split("test"))
    rows: list[dict[str, Any]] = []
    for number in range(args.shapes):
        legs, arms, trunk = rng.uniform(0.85, 1.25, 3)
        body = make_body(BodyShape(legs=legs, arms=arms, trunk=trunk, belly=rng.uniform(0, 0.05)), "low")
        own = np.zeros((len(body.vertices), BONES))
        for corner in range(4):
            np.add.at(own, (np.arange(len(own)), body.bones[:, corner]), body.weights[:, corner])
        for _ in range(args.motions):
            first, second = (meshes(body, clips[int(rng.integers(len(clips)))].motion()) for _ in range(2))
            begun = time.process_time()
            rig = rigging.find_rig(first, body.triangles, BONES)
            spent = time.process_time() - begun
            clusters = rigging.clusters(first, BONES, 0)
            for way, weights in (("clusters", clusters), ("rig", rig.weights), ("own", own)):
                rows.append(
                    {
                        "case": f"{number} {len(rows) // 3}",
                        "way": way,
                        "error": fitted(first[0], weights, first),
                        "transfer": fitted(first[0], weights, np.concatenate([first[:1], second])),
                        "rand": rand_index(weights.argmax(1), own.argmax(1)),
                        "seconds": spent if way == "rig" else 0.0,
                    }
                )
    print(json.dumps(compared(rows, "clusters"), indent=1))


if __name__ == "__main__":
    main()
