"""What a puppet does beside moving its bones: its face's texture and the vertices of its fingers, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.puppet.face import PictureFace, face_changes
from kinema.puppet.face_warp import FacePainter
from kinema.puppet.fingers import Fingers, PictureHand, finger_changes, is_at_rest
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import View
from kinema.puppet.render import Skin
from kinema.scene.keypoints import Keypoints


@dataclass(frozen=True, eq=False)
class Acting:
    """What face and fingers of a picture do.

    Args:
        face: where it is, and its changes, [T, 7], see `kinema.puppet.face.CHANGES`; None where it rests.
        hands: each with its fingers' changes, [T, 5, 3, 2], see `kinema.puppet.fingers.finger_changes`.
    """

    face: tuple[PictureFace, np.ndarray] | None = None
    hands: tuple[tuple[PictureHand, np.ndarray], ...] = ()


def acting_of(
    face: PictureFace | None,
    hands: tuple[PictureHand, ...],
    seen: Keypoints | None,
    times: np.ndarray,
    begins: float = 0.0,
) -> Acting | None:
    """What a picture's face and hands do at these moments; None where nothing is known of the driver's.

    Args:
        face, hands: of the picture, as far as they may move.
        seen: of the driver.
        times: seconds, [T]; after the driver's last frame everything stays as it is.
        begins: seconds that everything takes to leave the picture's own state.
    """
    if seen is None:
        return None
    at = np.clip(times, 0, seen.duration) * seen.fps
    share = np.clip(times / begins, 0, 1) if begins > 0 else np.ones(len(times))
    low = np.minimum(np.floor(at + 1e-6).astype(int), seen.frames - 1)
    high = np.minimum(low + 1, seen.frames - 1)
    part = np.clip(at - low, 0, 1)

    def sampled(changes: np.ndarray, rest: np.ndarray | float) -> np.ndarray:
        shape = (-1, *[1] * (changes.ndim - 1))
        now = changes[low] + (changes[high] - changes[low]) * part.reshape(shape)
        return np.asarray(rest + (now - rest) * share.reshape(shape))

    of_face = face_changes(seen) if face is not None else None
    of_fingers = finger_changes(seen) if hands else {}
    moving = tuple(
        (hand, sampled(of_fingers[hand.side], np.array([0.0, 1.0])))
        for hand in hands
        if hand.side in of_fingers
    )
    if of_face is None and not moving:
        return None
    return Acting((face, sampled(of_face, 0.0)) if face is not None and of_face is not None else None, moving)


class Actor:
    """Carries out what a puppet acts.

    Args:
        acting: what; nothing where None.
        mesh: of the person.
        view: the camera that took the picture.
        vertices: of the mesh in the picture's pose, float32 [V, 3].
        surface: of the mesh.
    """

    def __init__(
        self, acting: Acting | None, mesh: Mesh, view: View, vertices: np.ndarray, surface: Skin
    ) -> None:
        self.surface, self._vertices = surface, vertices
        self._changes: np.ndarray | None = None
        if acting is not None and acting.face is not None:
            face, self._changes = acting.face
            self._painter = FacePainter(face, mesh, surface)
            self.surface = self._painter.surface
        self._hands = [(Fingers(hand, mesh, view), each) for hand, each in acting.hands] if acting else []

    def act(self, frame: int) -> np.ndarray:
        """Draws the face of a frame onto `surface`; the vertices in the picture's pose, fingers bent, [V, 3]."""
        if self._changes is not None:
            self._painter.draw(self._changes[frame])
        vertices = self._vertices
        for fingers, changes in self._hands:
            if not is_at_rest(changes[frame]):
                vertices = vertices.copy() if vertices is self._vertices else vertices
                vertices[fingers.rows] = fingers.moved(changes[frame])
        return vertices
