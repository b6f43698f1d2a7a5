"""What is known of a film without its pictures, and films made by several threads."""

from __future__ import annotations

import numpy as np

import kinema
from kinema.stage.filming import casting, film, truth


def test_depth_and_people_are_those_of_the_film():
    scene = kinema.read_scene("examples/walk_and_wave.bvh")
    scene = scene.with_camera(kinema.camera("arc left 60deg", scene, size=(64, 48))).crop(0.0, 0.7)
    from kinema.scene.cast import for_stage
    from kinema.scene.framing import in_step

    scene = for_stage(in_step(scene, scene.camera))
    cast, world = casting(0, scene)
    filmed = list(film(scene, cast, world))
    threads = list(film(scene, cast, world, workers=3))
    known = list(truth(scene, cast, world, workers=2))
    assert len(filmed) > 1
    for one, two, three in zip(filmed, threads, known, strict=True):
        assert np.array_equal(one.rgb, two.rgb)
        assert np.array_equal(one.depth, three.depth)
        assert np.array_equal(one.person_ids, three.person_ids)
