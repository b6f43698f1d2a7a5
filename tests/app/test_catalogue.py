from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from kinema.app.catalogue import backbones, check_backbone, embedded_models
from kinema.video.models.published import PUBLISHED

CARD = "---\nlicense: cc-by-nc-4.0\ntags: [video]\n---\n# mini\n"


@pytest.fixture
def weights(tmp_path) -> Path:
    """Weights in diffusers layout: one pipeline of two parts with one card, one lone model without."""
    for name, size in [("mini/transformer", 1000), ("mini/autoencoder", 500), ("judge", 200)]:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"_class_name": name.split("/")[-1].title()}))
        (folder / "model.safetensors").write_bytes(bytes(size))
    (tmp_path / "mini" / "README.md").write_text(CARD)
    (tmp_path / "mini" / "pipeline.json").write_text('{"backbone": "mini"}')
    (tmp_path / "judge" / "pipeline.json").write_text('{"steps": 4}')
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "config.json").write_text("{}")
    return tmp_path


def test_every_set_of_weights_is_found(weights):
    found = {model.name: model for model in embedded_models(weights)}
    assert set(found) == {"mini/transformer", "mini/autoencoder", "judge"}
    transformer = found["mini/transformer"]
    assert (transformer.kind, transformer.licence) == ("Transformer", "cc-by-nc-4.0")
    assert 1000 < transformer.bytes < 1100
    assert transformer.card == str(weights / "mini" / "README.md")
    assert (found["judge"].licence, found["judge"].card) == ("no card", None)


def test_backbones_are_embedded_cached_or_elsewhere(weights, hub_cache):
    names = backbones(weights)
    assert names["mini"] == names["rough"] == "embedded"
    assert "judge" not in names, "a pipeline, but of no video backbone"
    assert names["cogvideox-5b"] == "not here; about 22 GB at zai-org/CogVideoX-5b"
    snapshot = hub_cache("THUDM/CogVideoX-5b")
    assert backbones(weights)["cogvideox-5b"] == "in the cache, without vae"
    (snapshot / "vae" / "b.safetensors").write_bytes(b"b")
    assert backbones(weights)["cogvideox-5b"] == "in the cache"


def test_a_backbone_may_be_a_name_or_a_folder(tmp_path):
    check_backbone(str(tmp_path))
    check_backbone("wan2.1-14b")
    with pytest.raises(ValueError, match=r"neither a folder nor one of rough, mini, cogvideox-2b"):
        check_backbone(str(tmp_path / "gone"))


def test_models_lists_every_name(run):
    code, out, _ = run("models")
    assert code == 0
    for name in ("rough", "mini", "cogvideox-2b", "cogvideox-5b-i2v", "wan2.1-1.3b", "wan2.1-14b"):
        assert f"\n{name} " in out


def test_models_says_what_each_follows(run):
    """Which model obeys a camera, which reads a picture, what it makes, whose licence."""
    _, out, _ = run("models")
    assert (
        "follows pose, camera, depth, room; reads a picture; 832x480, 81 frames at 16 fps; Apache-2.0" in out
    )
    assert "follows nothing without an adapter; text alone; 720x480, 49 frames at 8 fps" in out
    assert "with an IC-LoRA (--lora)" in out
    assert "free below 10 million USD" in out
    _, told, _ = run("models", "--json")
    published = json.loads(told)["published"]
    obeys = {name for name, each in published.items() if "camera" in each["follows"]}
    assert {"vace-1.3b", "wan-animate-2", "ltx2"} <= obeys
    assert not {"wan-animate", "cogvideox-fun-pose", "wan2.1-14b"} & obeys


@pytest.mark.parametrize(
    ("name", "module", "constant"),
    [
        ("cogvideox-5b", "cogvideox", "COGVIDEOX_FORMAT"),
        ("cogvideox1.5-5b", "cogvideox", "COGVIDEOX15_FORMAT"),
        ("wan2.1-14b", "wan", "WAN_FORMAT"),
        ("wan2.2-5b", "wan_first_frame", "FIRST_FRAME_FORMAT"),
        ("wan-animate", "wan_animate", "ANIMATE_FORMAT"),
        ("wan-animate-2", "wan_animate_2", "ANIMATE_2_FORMAT"),
        ("ltx2", "ltx2", "LTX_FORMAT"),
    ],
)
def test_models_says_the_formats_that_families_have(name, module, constant):
    form = getattr(import_module(f"kinema.video.models.{module}"), constant)
    said = PUBLISHED[name].form
    assert (said.width, said.height, said.frames, said.fps) == (
        form.width,
        form.height,
        form.frames,
        form.fps,
    )


def test_embedded_weights_are_small():
    """All together at most 60 MB, in files of at most 15 MB."""
    import kinema

    files = [file for file in (Path(kinema.__file__).parent / "weights").rglob("*") if file.is_file()]
    sizes = [file.stat().st_size for file in files]
    assert sum(sizes) <= 60e6
    assert max(sizes, default=0) <= 15.8e6
