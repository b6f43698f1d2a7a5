"""VACE in plain diffusers from what `kinema passes SCENE --for vace --picture hero.png -o passes` wrote.

python vace_from_passes.py passes Wan-AI/Wan2.1-VACE-1.3B-diffusers "a dancer in a red coat" film.mp4
Needs diffusers, transformers, accelerate, ftfy, imageio and av; nothing of Kinema.
"""

import json
import sys
from pathlib import Path

import imageio.v3 as iio
import torch
from diffusers import UniPCMultistepScheduler, WanVACEPipeline
from PIL import Image


def film(folder, name):
    """Frames as pictures, of MP4, lossless Matroska or a folder of PNGs: whatever --as said."""
    if (folder / name).is_dir():
        return [Image.open(file) for file in sorted((folder / name).glob("*.png"))]
    return [Image.fromarray(frame) for frame in iio.imiter(next(folder.glob(f"{name}.m*")), plugin="pyav")]


def main(folder, model, prompt, output, steps=50):
    facts = json.loads((folder / "passes.json").read_text())
    pipe = WanVACEPipeline.from_pretrained(model, dtype={"default": torch.bfloat16, "vae": torch.float32})
    (width, height), picture = facts["size"], folder / "reference.png"
    shift = 3.0 if width * height <= 832 * 480 else 5.0
    pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=shift)
    if torch.cuda.is_available():
        pipe.enable_model_cpu_offload()
    given = {"video": film(folder, "control"), "mask": film(folder, "mask")}
    given["reference_images"] = [Image.open(picture)] if picture.exists() else None
    given |= {"height": height, "width": width, "num_frames": facts["frames"]}
    made = pipe(prompt, num_inference_steps=int(steps), guidance_scale=5.0, **given).frames[0]
    iio.imwrite(output, (made * 255).astype("uint8"), plugin="pyav", fps=facts["fps"], codec="libx264")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
