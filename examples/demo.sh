#!/bin/sh
# `make demo`: a motion file is filmed, then a character picture is animated by it, with two cameras.
set -eu
cd "$(dirname "$0")/.."
mkdir -p out

echo "1/3  The motion on the stage: out/preview.mp4"
kinema preview examples/jumping_jacks.bvh --camera "arc left 60deg with pedestal up 0.3m ease" \
    --size 384x384 -o out/preview.mp4

echo "2/3  The character does it, seen by an orbiting camera: out/jumping_jacks_arc.mp4"
kinema animate examples/character.png --motion examples/jumping_jacks.bvh --camera "arc left 45deg" \
    --prompt "a person does jumping jacks" --side-by-side --scale 3 -o out/jumping_jacks_arc.mp4

echo "3/3  And by a camera that moves in: out/jumping_jacks_dolly.mp4"
kinema animate examples/character.png --motion examples/jumping_jacks.bvh --camera "dolly in 0.8m ease" \
    --prompt "a person does jumping jacks" --side-by-side --scale 3 -o out/jumping_jacks_dolly.mp4

echo "Done. Open out/jumping_jacks_arc.mp4; its settings are in out/jumping_jacks_arc.mp4.json"
