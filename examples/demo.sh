#!/bin/sh
# `make demo`: a prompt becomes a motion, a scene and a video; then the person of a picture does it, seen by other cameras.
set -eu
cd "$(dirname "$0")/.."

echo "1/4  A motion from a prompt, filmed on the stage: out/wave.bvh, out/preview.mp4"
kinema motion "a person walks forward, then waves with the left hand" --seconds 5 \
    --camera "arc left 60deg with pedestal up 0.3m ease" -o out/wave.bvh --preview out/preview.mp4 --force

echo "2/4  A prompt as a video, with the camera read out of it: out/wave_orbit.mp4"
kinema generate "a person walks forward, then waves with the left hand, the camera orbits left 45 degrees" \
    --seconds 4 --scene out/wave.npz --side-by-side --scale 3 -o out/wave_orbit.mp4 --force

echo "3/4  The person of a picture does it, cut out and moved, without a model: out/wave_rough.mp4"
kinema animate examples/character.png --motion out/wave.npz --camera "arc left 30deg ease" -o out/wave_rough.mp4 --force

echo "4/4  The embedded model makes new pictures of it, and the camera moves in: out/wave_dolly.mp4"
kinema animate examples/character.png --motion out/wave.npz --camera "dolly in 0.8m ease" --backbone mini \
    --prompt "a person walks forward, then waves with the left hand" --side-by-side --scale 3 -o out/wave_dolly.mp4 --force

echo "Done. Open out/wave_rough.mp4 and out/wave_orbit.mp4; their settings are beside them, e.g. in out/wave_orbit.mp4.json"
