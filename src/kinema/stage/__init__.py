"""A scene as pictures with exact ground truth: procedural people and worlds, filmed by a numba renderer."""

from kinema.stage.assemble import Actor
from kinema.stage.body import Body, BodyShape, make_body
from kinema.stage.renderer import NumbaRenderer, Renderer
from kinema.stage.shoot import random_actor, shoot
from kinema.stage.sticks import Sticks
from kinema.stage.take import Take
from kinema.stage.wardrobe import Outfit, random_outfit
from kinema.stage.world import Prop, World, busy_world, photo_studio

__all__ = [
    "Actor",
    "Body",
    "BodyShape",
    "NumbaRenderer",
    "Outfit",
    "Prop",
    "Renderer",
    "Sticks",
    "Take",
    "World",
    "busy_world",
    "make_body",
    "photo_studio",
    "random_actor",
    "random_outfit",
    "shoot",
]
