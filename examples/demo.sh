#!/bin/sh
# `make demo`: a prompt becomes a motion, a scene and a video; then another character does it, seen by another camera.
set -eu
cd "$(dirname "$0")/.."

echo "1/3  A motion from a prompt, filmed on the stage: out/wave.bvh, out/preview.mp4"
kinema motion "a person walks forward, then waves with the left hand" --seconds 5 \
    --camera "arc left 60deg with pedestal up 0.3m ease" -o out/wave.bvh --preview out/preview.mp4 --force

echo "2/3  A prompt as a video, with the camera read out of it: out/wave_orbit.mp4"
kinema generate "a person walks forward, then waves with the left hand, the camera orbits left 45 degrees" \
    --seconds 4 --scene out/wave.npz --side-by-side --scale 3 -o out/wave_orbit.mp4 --force

echo "3/3  The character of a picture does it, and the camera moves in: out/wave_dolly.mp4"
kinema animate examples/character.png --motion out/wave.npz --camera "dolly in 0.8m ease" \
    --prompt "a person walks forward, then waves with the left hand" --side-by-side --scale 3 -o out/wave_dolly.mp4 --force

echo "Done. Open out/wave_orbit.mp4; its settings are in out/wave_orbit.mp4.json"
