"""Kinema: videos of people who move as you say, seen by a camera that moves as you say."""

__version__ = "0.1.0"
