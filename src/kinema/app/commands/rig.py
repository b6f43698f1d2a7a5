"""`kinema rig`: bones, weights and motion of a mesh sequence."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import note, result, work

_ROUGH = 0.01  # share of the extent from which bones do not explain a mesh (ours)


def rig(
    source: list[Path] = typer.Argument(
        ...,
        help="The frames: a folder of numbered .obj files, the files, or an .npz with vertices [T, V, 3] and faces "
        "[F, 3]. The same vertices in the same order in all of them.",
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The rigged and animated mesh: .glb or .gltf."),
    bones: int = typer.Option(24, min=1, max=128, help="How many bones."),
    fps: float = typer.Option(24.0, min=0.1, max=1000, help="Frames per second of the frames."),
    seed: int = typer.Option(0, help="Of the first guess."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Find the bones and weights of a mesh that deforms, and write it as an animated figure."""
    from kinema.app.inputs import check_output
    from kinema.app.text_motion import counting
    from kinema.scene.formats import glb
    from kinema.scene.formats.mesh_frames import read_mesh_frames
    from kinema.scene.rigging import find_rig

    check_output(output, ".glb", ".gltf", force=force)
    frames = read_mesh_frames(source)
    with counting("finding bones") as on:
        found = find_rig(frames.vertices, frames.faces, bones, fps, seed, on)
    if found.error > _ROUGH:
        note(
            f"{bones} rigid bones miss the mesh by {found.error:.1%} of its size: cloth and faces need more bones "
            "(--bones), or have none"
        )
    glb.write(output, found.motion, mesh=found.mesh)
    work.written.append(str(output))
    told = {
        "output": str(output),
        "frames": len(frames.vertices),
        "vertices": frames.vertices.shape[1],
        "bones": len(found.motion.skeleton),
        "error": round(found.error, 5),
        "seed": seed,
    }
    said = (
        f"{output}: {told['bones']} bones for {told['vertices']} vertices in {told['frames']} frames; off by "
        f"{found.error:.2%} of its size"
    )
    result(told, said, as_json)
