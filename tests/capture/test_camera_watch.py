"""The camera from the background: still, turning, moving, unknown; pictures that are hard or broken."""

from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import pytest

from kinema.capture.camera_mapping import map_views
from kinema.capture.camera_tracks import View
from kinema.capture.camera_watch import CameraWatch, background_rotation
from kinema.capture.observation import CameraChoice, CameraSolution
from kinema.scene import CameraPath, Scene
from kinema.scene.camera_language import camera_path
from kinema.stage import shoot
from kinema.stage.world import busy_world

SIZE, FPS, FOV = (192, 128), 12.0, 42.0
NOBODY = np.zeros((0, 4))
needs_pycolmap = pytest.mark.skipif(
    importlib.util.find_spec("pycolmap") is None,
    reason="pycolmap is not installed: moving cameras cannot be solved",
)


def film(text: str, frames: int = 14, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, CameraPath]:
    camera = camera_path(text, size=size, fps=FPS, frames=frames, fov=FOV, seed=1)
    return shoot(Scene((), camera, FPS), [], busy_world(np.random.default_rng(3)), antialias=2).rgb, camera


def solve(
    frames: np.ndarray, boxes: list[np.ndarray] | None = None, fov: float | None = FOV, chunk: int = 5,
    camera: CameraChoice = "auto",
) -> CameraSolution:  # fmt: skip
    watch = CameraWatch((frames.shape[2], frames.shape[1]), FPS, fov=fov)
    boxes = [NOBODY] * len(frames) if boxes is None else boxes
    for at in range(0, len(frames), chunk):
        watch.add(frames[at : at + chunk], boxes[at : at + chunk])
    solution = watch.solve(camera)
    assert solution.c2w.shape == (len(frames), 4, 4)
    assert solution.intrinsics.shape == (len(frames), 4)
    assert np.isfinite(solution.c2w).all()
    assert np.allclose(solution.c2w[0], np.eye(4), atol=1e-9)
    return solution


def degrees_off(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    between = np.swapaxes(found[:, :3, :3], 1, 2) @ (true[0, :3, :3].T @ true[:, :3, :3])
    return np.degrees(np.arccos(np.clip((np.trace(between, axis1=1, axis2=2) - 1) / 2, -1, 1)))


def noise(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture full of things to follow, uint8 [H, W, 3]."""
    coarse = rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


def test_a_still_camera_is_still_though_somebody_walks_and_light_flickers() -> None:
    rng = np.random.default_rng(0)
    still = noise(rng)
    frames, boxes = [], []
    for t in range(12):
        frame = still.astype(np.float64) * (1 + 0.1 * np.sin(t)) + rng.normal(0, 3, still.shape)
        frame[30:110, 20 + 8 * t : 50 + 8 * t] = rng.integers(0, 255, 3)
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
        boxes.append(np.array([[20 + 8 * t, 30, 50 + 8 * t, 110]], float))
    solution = solve(np.array(frames), boxes)
    assert solution.kind == "static"
    assert np.allclose(solution.c2w, np.eye(4))


@pytest.mark.parametrize("text", ["pan right 20deg", "tilt up 8deg", "roll cw 15deg"])
def test_turns_are_found(text: str) -> None:
    frames, camera = film(text)
    solution = solve(frames)
    assert solution.kind == "turning"
    assert degrees_off(solution.c2w, camera.c2w).max() < 0.5
    assert np.allclose(solution.c2w[:, :3, 3], 0)


def test_zoom_is_told_from_turning() -> None:
    frames, camera = film("zoom in 1.4x")
    solution = solve(frames)
    assert solution.kind == "turning"
    found = solution.intrinsics[:, 0] / solution.intrinsics[0, 0]
    assert np.allclose(found, camera.intrinsics[:, 0] / camera.intrinsics[0, 0], rtol=0.02)
    assert degrees_off(solution.c2w, camera.c2w).max() < 0.5


def test_a_wide_turn_tells_the_focal_length() -> None:
    frames, camera = film("pan left 40deg", frames=18)
    solution = solve(frames, fov=None)
    assert solution.intrinsics[0, 0] == pytest.approx(camera.intrinsics[0, 0], rel=0.05)
    assert degrees_off(solution.c2w, camera.c2w).max() < 1.5


def way_of(solution: CameraSolution) -> np.ndarray:
    """The direction from the first to the last camera."""
    way = solution.c2w[-1, :3, 3]
    return np.asarray(way / np.linalg.norm(way))


def test_a_moving_camera_is_mapped_and_the_same_every_time() -> None:
    frames, camera = film("truck right 1m", frames=16, size=(256, 160))
    solution = solve(frames)
    assert solution.kind == "moving"
    assert not solution.scaled
    assert degrees_off(solution.c2w, camera.c2w).max() < 1
    assert way_of(solution)[0] > 0.98
    assert len(solution.points) > 20
    assert np.array_equal(solve(frames, chunk=16).c2w, solution.c2w)


@pytest.mark.parametrize("fov", [FOV, None])
def test_a_dolly_is_told_from_a_zoom(fov: float | None) -> None:
    frames, camera = film("dolly in 0.8m", frames=16, size=(256, 160))
    solution = solve(frames, fov=fov)
    assert solution.kind == "moving"
    assert degrees_off(solution.c2w, camera.c2w).max() < 2
    assert way_of(solution)[2] > 0.95
    assert np.ptp(solution.intrinsics[:, 0]) < 1e-6
    assert solution.intrinsics[0, 0] == pytest.approx(camera.intrinsics[0, 0], rel=0.4)


def test_a_small_way_by_hand_is_told_from_a_turn() -> None:
    frames, camera = film("shaky truck right 0.3m", frames=16, size=(256, 160))
    solution = solve(frames)
    assert solution.kind == "moving"
    assert degrees_off(solution.c2w, camera.c2w).max() < 1


def test_ways_are_found_without_pycolmap(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pycolmap" else find(name))
    frames, camera = film("arc left 60deg")
    solution = solve(frames)
    assert solution.kind == "moving"
    assert degrees_off(solution.c2w, camera.c2w).max() < 2


@needs_pycolmap
def test_pycolmap_maps_what_was_followed() -> None:
    frames, camera = film("truck right 1m", frames=16, size=(256, 160))
    watch = CameraWatch((256, 160), FPS, fov=FOV)
    watch.add(frames, [NOBODY] * len(frames))
    tracks = watch._tracker.tracks()
    views = [View(s.frame, s.ids, s.pixels.astype(np.float64)) for s in tracks.samples[::2]]
    focal = float(camera.intrinsics[0, 0])
    found = map_views(views, (256, 160), np.full(len(views), focal), known=True, zoom=False, unit=tracks.unit)
    there = found.registered
    assert there.mean() > 0.6
    turn = np.swapaxes(found.rotation[there] @ found.rotation[there][0].T, 1, 2)
    true = camera.c2w[[view.frame for view, known in zip(views, there, strict=True) if known]]
    assert np.abs(turn - true[0, :3, :3].T @ true[:, :3, :3]).max() < 0.03


def test_a_kind_of_movement_is_forced() -> None:
    still = np.repeat(noise(np.random.default_rng(0))[None], 8, axis=0)
    assert solve(still).kind == "static"
    assert solve(still, camera="turning").kind == "turning"
    frames, _ = film("pan right 20deg")
    assert np.allclose(solve(frames, camera="static").c2w, np.eye(4))
    moving = solve(frames, camera="moving")
    assert moving.kind == "moving"
    assert np.ptp(moving.c2w[:, :3, 3], axis=0).max() > 0


@pytest.mark.parametrize("camera", ["turning", "moving"])
def test_what_was_asked_for_and_cannot_be_solved_is_unknown(camera: CameraChoice) -> None:
    solution = solve(np.full((6, 64, 64, 3), 128, np.uint8), camera=camera)
    assert solution.kind == "unknown"
    assert solution.notes


def test_a_cut_is_noticed() -> None:
    rng = np.random.default_rng(1)
    a, b = noise(rng), noise(rng)
    solution = solve(np.stack([a] * 8 + [b] * 8))
    assert solution.kind == "static"
    assert any("cut" in note and "0.67 s" in note for note in solution.notes)


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_blank_videos_are_not_followed(frames: int) -> None:
    blank = np.full((frames, 64, 64, 3), 128, np.uint8)
    solution = solve(blank)
    assert solution.kind == ("static" if frames == 1 else "unknown")
    assert solution.notes


def test_noise_that_changes_every_frame_is_no_movement() -> None:
    rng = np.random.default_rng(2)
    assert solve(rng.integers(0, 255, (6, 64, 64, 3)).astype(np.uint8)).kind in ("unknown", "static")


def test_blank_frames_between_do_no_harm() -> None:
    frames, camera = film("pan right 20deg")
    frames = frames.copy()
    frames[6] = 0
    solution = solve(frames)
    assert solution.kind == "turning"
    assert degrees_off(solution.c2w, camera.c2w).max() < 1


def test_somebody_who_fills_the_picture_hides_the_camera() -> None:
    frames, _ = film("pan right 20deg", frames=6)
    solution = solve(frames, [np.array([[0.0, 0.0, *SIZE]])] * 6)
    assert solution.kind == "unknown"


def test_memory_does_not_grow_with_pictures() -> None:
    watch = CameraWatch(SIZE, FPS)
    still = noise(np.random.default_rng(0))
    for _ in range(60):
        watch.add(still[None], [NOBODY])
    tracks = watch._tracker.tracks()
    assert len(tracks.keyframes) == 1
    assert sum(sample.ids.nbytes + sample.pixels.nbytes for sample in tracks.samples) < 60 * 1100


def test_rotation_of_a_small_video() -> None:
    frames, camera = film("pan left 15deg", frames=9, size=(128, 96))
    rotation = background_rotation(frames, np.zeros(frames.shape[:3], bool), camera.intrinsics)
    assert degrees_off(rotation, camera.c2w).max() < 1
    unknown = background_rotation(
        np.zeros_like(frames), np.zeros(frames.shape[:3], bool), camera.intrinsics[0]
    )
    assert np.isnan(unknown).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="fov"):
        CameraWatch(SIZE, FPS, fov=200)
    with pytest.raises(ValueError, match="focal"):
        CameraWatch(SIZE, FPS, focal=-1)
    watch = CameraWatch(SIZE, FPS)
    with pytest.raises(ValueError, match="no frames"):
        watch.solve()
    with pytest.raises(ValueError, match="expected uint8"):
        watch.add(np.zeros((1, 8, 8, 3), np.uint8), [NOBODY])
    with pytest.raises(ValueError, match="boxes for 0"):
        watch.add(np.zeros((1, SIZE[1], SIZE[0], 3), np.uint8), [])
    with pytest.raises(ValueError, match="masks"):
        background_rotation(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), bool), np.ones(4))


def test_a_panning_video_of_a_photograph() -> None:
    data = pytest.importorskip("skimage.data")
    picture = data.astronaut()
    focal, size, frames = 300.0, (192, 160), 14
    lens = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    home = np.array([[600.0, 0, 256.0], [0, 600.0, 256.0], [0, 0, 1]])
    true, shots = np.tile(np.eye(4), (frames, 1, 1)), []
    for t in range(frames):
        angle = np.radians(-8 + 12 * t / (frames - 1))
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        true[t, :3, :3] = turn
        shots.append(
            cv2.warpPerspective(picture, lens @ turn.T @ np.linalg.inv(home), size, flags=cv2.INTER_AREA)
        )
    watch = CameraWatch(size, FPS, focal=focal)
    watch.add(np.array(shots), [NOBODY] * frames)
    solution = watch.solve()
    assert solution.kind == "turning"
    assert degrees_off(solution.c2w, true).max() < 0.5


def test_noise_does_not_hide_a_turn() -> None:
    frames, camera = film("pan right 20deg")
    rng = np.random.default_rng(0)
    noisy = np.clip(frames + rng.normal(0, 12, frames.shape), 0, 255).astype(np.uint8)
    solution = solve(noisy)
    assert solution.kind in ("turning", "moving")
    assert degrees_off(solution.c2w, camera.c2w).max() < 1.5
