"""Detectors: where people are in a frame, and where their joints are."""

from kinema.capture.detectors.detector import DETECTORS, Detector, DetectorUnavailable, open_detector

__all__ = ["DETECTORS", "Detector", "DetectorUnavailable", "open_detector"]
