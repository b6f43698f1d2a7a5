"""A camera path of a file on the frames of a shot; one from another world is laid in front of the person.

Structure from motion, SLAM and the data sets of the field have their own origin, axes and unit. What can be kept of
such a path is relative: its first pose takes the place of the camera that would have been chosen for the person, its
turns and its way follow from there. The horizon stays level: the path is turned about the vertical alone, and the first
camera keeps how far it looks up or down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.camera_fitting import LOWEST, Fit, best_fit, free_fits, metric_fits, said
from kinema.scene.camera_framing import SubjectTrack, still_track, subject_track
from kinema.scene.camera_language import camera_path
from kinema.scene.formats.camera_reading import CameraFile
from kinema.scene.formats.reading import Assumption
from kinema.scene.scene import Scene

# All ours:
_WAY = 0.4  # of the distance to the person, how far a path of unknown unit leads
_SQUINT = np.radians(1.5) ** 2  # how far the optical axes must differ to have a point that they look at
_LEANING = np.radians(20)  # roll of the first camera that is taken for a camera held sideways
_DENSER = 2.0  # times the file's rate from which on poses are joined by splines


@dataclass(frozen=True, eq=False)
class LaidCamera:
    """A camera path on the frames of a shot.

    Args:
        path: as many frames as the shot, in metres, Y up.
        assumed: what had to be assumed of the file and in laying it.
    """

    path: CameraPath
    assumed: tuple[Assumption, ...] = ()

    @property
    def doubts(self) -> tuple[Assumption, ...]:
        """What a user should be told without asking."""
        return tuple(each for each in self.assumed if each.doubtful)


def lay(
    file: CameraFile,
    scene: Scene,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    person: int = 0,
    fov: float = 40.0,
    carried: bool = False,
) -> LaidCamera:
    """The path of a camera file on a shot.

    Args:
        file: as it was read.
        scene: whom it films, SMPL-24 or any joints; somebody imagined at the origin where nobody is there.
        size: (width, height) of the picture; a field of view of the file is cropped to it.
        fps: of the shot.
        frames: of the shot; a path that ends earlier stands still at its end.
        person: in front of whom a path from another world is laid.
        fov: vertical field of view in degrees where neither the file nor its reading has one.
        carried: whether a path from another world moves along with that person.
    """
    assumed = list(file.assumed)
    shown = _on_frames(file, size, fps, frames, fov, assumed)
    if file.placed:
        scale = 1.0 if file.scale is None else file.scale
        if file.scale is None and not file.metric:
            assumed.append(
                Assumption("camera_scale", "a unit of the file is a metre", "nothing else is known")
            )
        return LaidCamera(_scaled(shown, shown.positions * scale), tuple(assumed))
    track = subject_track(scene.people[person]) if scene.people else still_track(np.array([0.0, 0.85, 0.0]))
    start = camera_path(
        "static",
        size=size,
        fps=fps,
        frames=frames,
        subject=scene.people[person] if scene.people else None,
        fov=float(np.clip(shown.fov_y[0], 5, 120)),
        tracking="follow" if carried else "none",
        keep_in_frame=not carried,
    ).c2w[0]
    turned = _turned(shown, start, track, assumed)
    pivot = track.pivot(np.zeros(1))[0]
    distance = float(np.linalg.norm(start[:3, 3] - pivot))
    times = np.minimum(np.arange(frames) / fps, track.times[-1])
    along = track.pivot(times) - pivot if carried else np.zeros(3)
    if carried:
        assumed.append(Assumption("tracking", "the path moves along with the person", "who walks away"))
    way = turned.positions - turned.positions[0]
    unit, orbits = _unit(file, turned, distance, assumed)

    def at(fit: Fit) -> CameraPath:
        origin = pivot - distance * fit.back * turned.c2w[0, :3, 2] + [0.0, fit.lift, 0.0]
        return _scaled(turned, origin + way * (unit * fit.back * fit.share) + along)

    fits = metric_fits() if file.metric else free_fits(orbits)
    fit = Fit() if file.scale is not None else best_fit(fits, at, file, scene, track, distance, person)
    assumed += said(fit)
    return LaidCamera(at(fit), tuple(assumed))


def _on_frames(
    file: CameraFile,
    size: tuple[int, int],
    fps: float,
    frames: int,
    fov: float,
    assumed: list[Assumption],
) -> CameraPath:
    """The path at the shot's size and moments, with its lens or the one that was asked for."""
    camera = file.camera
    if file.lens:
        camera = camera.resize(*size)
    else:
        lens = intrinsics_from_fov(fov if file.fov is None else file.fov, size)
        camera = replace(camera, intrinsics=np.array(lens), size=size)
    length = (frames - 1) / fps
    if not file.timed and frames > 1:
        times = np.linspace(0, camera.duration, frames)
    else:
        times = np.minimum(np.arange(frames) / fps, camera.duration)
        if 0 < camera.duration < 0.9 * length:
            assumed.append(
                Assumption(
                    "camera_fps",
                    f"the camera stands still after {camera.duration:.1f} of {length:.1f} s",
                    "its file ends there",
                    doubtful=True,
                )
            )
    sparse = camera.duration > 0 and (camera.frames - 1) * _DENSER <= len(times) - 1
    return camera.resample(fps, times, interpolation="cubic" if sparse else "linear")


def _scaled(camera: CameraPath, positions: np.ndarray) -> CameraPath:
    """The camera at other places."""
    c2w = camera.c2w.copy()
    c2w[:, :3, 3] = positions
    return replace(camera, c2w=c2w)


def _turned(
    camera: CameraPath, start: np.ndarray, track: SubjectTrack, assumed: list[Assumption]
) -> CameraPath:
    """The path turned about the vertical so that its first camera looks the same way as `start`.

    A camera that is held sideways in the first frame is turned upright about its own axis, and one that would have to
    stand in the floor to look up at the person looks up less.
    """
    c2w = camera.c2w.copy()
    right, down, ahead = c2w[0, :3, :3].T
    flat = np.hypot(ahead[0], ahead[2])
    if flat > 0.2:
        roll = float(np.arcsin(np.clip(-right[1] / flat, -1, 1)))
        roll = roll if down[1] < 0 else np.pi - roll
        if abs(roll) > _LEANING:
            c2w[:, :3, :3] = c2w[:, :3, :3] @ Rotation.from_euler("z", -roll).as_matrix()
            assumed.append(
                Assumption(
                    "camera_up",
                    f"the camera is turned upright by {np.degrees(abs(roll)):.0f} degrees",
                    "its first picture lies on the side",
                    doubtful=True,
                )
            )
    heading = ahead if flat > 0.2 else -c2w[0, :3, 1] * np.sign(-ahead[1])
    wanted = start[:3, 2]
    yaw = np.arctan2(wanted[0], wanted[2]) - np.arctan2(heading[0], heading[2])
    turn = Rotation.from_euler("y", yaw).as_matrix()
    distance = float(np.linalg.norm(start[:3, 3] - track.pivot(np.zeros(1))[0]))
    most = np.arcsin(np.clip((track.middle - track.ground - LOWEST - 0.1) / distance, 0, 1))
    pitch = float(np.arcsin(np.clip(ahead[1], -1, 1)))
    if pitch > most:
        axis = turn @ np.array([ahead[2], 0, -ahead[0]]) / max(flat, 1e-9) if flat > 1e-6 else start[:3, 0]
        turn = Rotation.from_rotvec(axis * (pitch - most)).as_matrix() @ turn
        assumed.append(
            Assumption(
                "",
                f"the path is tilted down by {np.degrees(pitch - most):.0f} degrees",
                "its first camera looks up, and would stand in the floor to see the person",
                doubtful=True,
            )
        )
    c2w[:, :3, :3] = turn @ c2w[:, :3, :3]
    c2w[:, :3, 3] = c2w[:, :3, 3] @ turn.T
    return replace(camera, c2w=c2w)


def _unit(
    file: CameraFile, camera: CameraPath, distance: float, assumed: list[Assumption]
) -> tuple[float, bool]:
    """Metres per unit of the path, and whether it looks at one point all the time.

    It is what was said, else metres, else so that the path fits the person's distance.
    """
    if file.scale is not None:
        return file.scale, False
    if file.metric:
        return 1.0, False
    depth = _looked_at(camera)
    if depth is not None:
        scale = distance / depth
        assumed.append(
            Assumption(
                "camera_scale", f"a unit of the file is {scale:.3g} m", "so its cameras look at the person"
            )
        )
        return scale, True
    way = float(np.linalg.norm(camera.positions - camera.positions[0], axis=1).max())
    if way < 1e-9:
        return 1.0, False
    scale = min(_WAY * distance / way, distance)
    assumed.append(
        Assumption(
            "camera_scale",
            f"a unit of the file is {scale:.3g} m",
            f"so the camera goes {way * scale:.2g} m where the person is {distance:.2g} m away",
        )
    )
    return scale, False


def _looked_at(camera: CameraPath) -> float | None:
    """How far in front of the first camera the point lies that all of them look at; None where there is none."""
    places, ahead = camera.positions, camera.c2w[:, :3, 2]
    across = np.eye(3) - ahead[:, :, None] * ahead[:, None, :]
    total = across.mean(axis=0)
    if np.linalg.eigvalsh(total)[0] < _SQUINT:
        return None
    point = np.linalg.solve(total, (across @ places[:, :, None]).mean(axis=0)[:, 0])
    depths = ((point - places) * ahead).sum(axis=1)
    misses = np.linalg.norm((across @ (point - places)[:, :, None])[..., 0], axis=1)
    way = float(np.linalg.norm(places - places[0], axis=1).max())
    first = float(depths[0])
    sound = first > max(0.4 * way, 1e-6) and way > 0.02 * first and (depths > 0).mean() > 0.9
    return first if sound and np.median(misses) < 0.25 * np.median(depths) else None
