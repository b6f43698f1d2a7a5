"""The ground floor, NumPy only: who moves how (Skeleton, Motion), seen from where (CameraPath), a Scene."""

from kinema.scene.camera import CameraPath
from kinema.scene.keypoints import DetectedPeople, Keypoints
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import Skeleton

__all__ = ["CameraPath", "DetectedPeople", "Keypoints", "Motion", "Scene", "Skeleton"]
