"""The user's networks: checked before they are read, run as the public scripts do, by tiny random stand-ins."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kinema.evaluation.features import picture_networks, video_networks
from kinema.evaluation.features.extractor import metric_name, protocol_hash, windows
from kinema.evaluation.features.inception3d import InceptionI3d, same_padded
from kinema.evaluation.features.own import KeypointTrunkFeatures, SpaceTimeFeatures
from kinema.evaluation.features.resnet3d import ResNet3d50
from kinema.evaluation.features.weights import SOURCES, Weights, parse_weights, skipped
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge


def video(frames: int = 18, size: tuple[int, int] = (24, 40), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (frames, *size, 3)).astype(np.uint8)


def saved(path: Path, module: nn.Module | dict[str, torch.Tensor], name: str) -> Weights:
    state = module.state_dict() if isinstance(module, nn.Module) else module
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    return parse_weights([f"{name}={path}"])[name]


def scripted(path: Path, module: nn.Module, name: str) -> Weights:
    torch.jit.script(module).save(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return parse_weights([f"{name}={path}@{digest}"], allow_code=True)[name]


# Names and arguments


def test_the_same_settings_have_the_same_name_and_others_another():
    assert protocol_hash({"a": 1, "b": 2}) == protocol_hash({"b": 2, "a": 1})
    assert protocol_hash({"a": 1}) != protocol_hash({"a": 2})
    name = metric_name("frechet", "space-time", SpaceTimeFeatures().settings())
    assert name.startswith("frechet[space-time@")
    assert len(name) == len("frechet[space-time@]") + 8
    assert SpaceTimeFeatures(8).settings() != SpaceTimeFeatures().settings()


def test_windows_do_not_overlap_and_drop_the_rest():
    assert windows(15) == []
    assert windows(49) == [slice(0, 16), slice(16, 32), slice(32, 48)]


def test_weights_are_hashed_and_compared(tmp_path):
    file = tmp_path / "vgg.safetensors"
    save_file({"x": torch.zeros(2)}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert parse_weights([f"vgg16={file}"])["vgg16"].sha256 == digest
    assert parse_weights([f"vgg16={file}@{digest.upper()}"])["vgg16"].path == file
    with pytest.raises(ValueError, match=f"has the sha256 {digest}, not 0000"):
        parse_weights([f"vgg16={file}@{'0' * 64}"])


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("vgg16", "NAME=PATH"),
        ("vgg17={file}", "unknown name 'vgg17'; known: i3d-torchscript"),
        ("clip={file}", "not a folder"),
        ("vgg16={folder}", "not one file"),
        ("clip={folder}", "no .safetensors"),
        ("i3d-torchscript={file}", "a program that runs with your rights"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, argument, says):
    file, folder = tmp_path / "file.pt", tmp_path / "folder"
    file.write_bytes(b"?")
    folder.mkdir()
    with pytest.raises(ValueError, match=says):
        parse_weights([argument.format(file=file, folder=folder)], allow_code=True)


def test_a_torchscript_archive_needs_leave_and_its_hash(tmp_path):
    file = tmp_path / "net.pt"
    file.write_bytes(b"?")
    digest = hashlib.sha256(b"?").hexdigest()
    with pytest.raises(ValueError, match="--allow-code"):
        parse_weights([f"flow={file}@{digest}"])
    assert parse_weights([f"flow={file}@{digest}"], allow_code=True)["flow"].sha256 == digest
    with pytest.raises(ValueError, match="twice"):
        parse_weights([f"flow={file}@{digest}"] * 2, allow_code=True)
    with pytest.raises(FileNotFoundError, match="nothing at"):
        parse_weights([f"vgg16={tmp_path / 'absent.pth'}"])


def test_what_is_absent_says_where_to_get_it():
    line = skipped("lpips", ("vgg16", "lpips-vgg"), {})
    assert line is not None
    assert line.startswith("skipped: lpips needs VGG16")
    assert "torchvision" in line
    assert "--weights lpips-vgg=PATH" in line
    assert skipped("lpips", (), {}) is None


# Our own features


@pytest.mark.parametrize("kind", ["space-time", "keypoint-trunk"])
def test_own_features_see_change_in_time(kind):
    if kind == "space-time":
        extractor = SpaceTimeFeatures()
    else:
        judge = KeypointNetworkJudge()
        extractor = KeypointTrunkFeatures(judge.network, judge.sha256)
    clip = video(35, (48, 32))
    features = extractor(clip, 12.0)
    assert features.shape[0] == 2
    assert features.dtype == np.float64
    assert np.array_equal(features, extractor(clip, 12.0))
    assert extractor(clip[:15], 12.0).shape == (0, features.shape[1])
    frozen = extractor(np.repeat(clip[:1], 35, axis=0), 12.0)
    assert np.linalg.norm(frozen - features) > 10 * np.linalg.norm(features[0] - features[1])


# Networks of state dicts


def test_i3d_has_the_published_keys_and_pads_as_tensorflow():
    keys = set(InceptionI3d(shrink=8).state_dict())
    assert {"Conv3d_1a_7x7.conv3d.weight", "Mixed_4f.b2b.bn.running_var", "logits.conv3d.bias"} <= keys
    assert sum(key.endswith("conv3d.weight") for key in keys) == 3 + 9 * 6 + 1
    padded = same_padded(torch.ones(1, 1, 5, 4, 4), (3, 3, 3), (2, 2, 2))
    assert padded.shape[2:] == (7, 5, 5)
    assert padded[0, 0, 1, 0, 0] == 1  # the odd zero of even sides stands behind
    net = InceptionI3d(classes=5, shrink=16).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 16, 224, 224)).shape == (1, 5)


def test_resnet_has_the_published_keys():
    net = ResNet3d50(width=4, classes=3).eval()
    keys = set(net.state_dict())
    assert {"layer1.0.downsample.1.weight", "layer4.2.bn3.bias", "fc.weight"} <= keys
    with torch.no_grad():
        assert net(torch.zeros(2, 3, 16, 112, 112)).shape == (2, 4 * 32)


def test_fid_vid_reads_a_wrapped_file_and_averages_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(video_networks, "ResNet3d50", lambda: ResNet3d50(width=2, classes=3))
    net = ResNet3d50(width=2, classes=3)
    weights = saved(
        tmp_path / "r.safetensors", {f"module.{k}": v for k, v in net.state_dict().items()}, "resnet3d-50"
    )
    (extractor,) = video_networks.set_features({"resnet3d-50": weights})
    features = extractor(video(18), 12.0)
    assert (extractor.metric, features.shape) == ("fid-vid", (1, 64))
    batches = video_networks.disco_segments(video(18))
    assert [batch.shape for batch in batches] == [(1, 3, 16, 112, 112)] * 2
    assert torch.equal(batches[1][0, :, 2], batches[1][0, :, 15])  # filled with the last frame


def test_weights_of_another_network_are_refused_whole(tmp_path):
    weights = saved(tmp_path / "r.safetensors", {"x": torch.zeros(1)}, "i3d-400")
    with pytest.raises(ValueError, match="do not fit InceptionI3d"):
        video_networks.set_features({"i3d-400": weights})


# TorchScript


class TinyI3d(nn.Module):
    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        if rescale:
            x = 2 * x / 255 - 1
        return torch.stack([x.mean(dim=(1, 2, 3, 4)), x.flatten(1).std(dim=1)], dim=1)


def test_fvd_runs_the_torchscript_network_in_both_protocols(tmp_path):
    weights = scripted(tmp_path / "i3d.pt", TinyI3d(), "i3d-torchscript")
    extractors = video_networks.set_features({"i3d-torchscript": weights})
    assert [(e.metric, e.name, e.covariance) for e in extractors] == [
        ("fvd", "styleganv-i3d", "n"),
        ("fvd", "common-metrics-i3d", "n-1"),
    ]
    clip = video(33)
    raw, cropped = (extractor(clip, 12.0) for extractor in extractors)
    assert raw.shape == cropped.shape == (2, 2)
    assert raw[0, 0] == pytest.approx(clip[:16].mean() / 127.5 - 1, abs=1e-4)
    assert video_networks.cropped_windows(clip)[0].shape == (1, 3, 16, 224, 224)
    assert extractors[0](clip[:10], 12.0).shape[0] == 0


class Middle(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a + b) / 2


class Rightwards(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        flow = torch.zeros(1, 2, a.shape[2], a.shape[3])
        flow[:, 0] = 100 * (a - b).abs().mean()
        return flow


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 100 * x.mean(dim=(1, 2, 3))


def test_vbench_dimensions_by_torchscript(tmp_path):
    given = {
        name: scripted(tmp_path / f"{name}.pt", module, name)
        for name, module in (("interpolator", Middle()), ("flow", Rightwards()), ("quality", Mean()))
    }
    figures = picture_networks.video_figures(given)
    ramp = np.broadcast_to(np.arange(9, dtype=np.uint8)[:, None, None, None] * 20, (9, 16, 16, 3))
    assert figures["motion-smoothness"](ramp, 8.0, None) == pytest.approx(1)
    assert figures["dynamic-degree"](ramp, 8.0, None) == 1
    assert figures["dynamic-degree"](np.repeat(ramp[:1], 9, axis=0), 8.0, None) == 0
    assert figures["imaging-quality"](ramp, 8.0, None) == pytest.approx(80 / 255)
    assert np.isnan(figures["motion-smoothness"](ramp[:2], 8.0, None))


# LPIPS, CLIP, DINO


def test_lpips_reads_both_files_and_knows_the_unscaled_mode(tmp_path, monkeypatch):
    small = picture_networks.Vgg16Features(shrink=16)
    monkeypatch.setattr(picture_networks, "Vgg16Features", lambda: small)
    torch.manual_seed(0)
    vgg = saved(
        tmp_path / "vgg.safetensors", small.state_dict() | {"classifier.0.weight": torch.zeros(1)}, "vgg16"
    )
    widths = (4, 8, 16, 32, 32)
    lines = {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(widths)}
    lpips = picture_networks.Lpips.load(vgg, saved(tmp_path / "lin.safetensors", lines, "lpips-vgg"))
    a, b = video(3, (32, 32)), video(3, (32, 32), seed=1)
    assert lpips(a, a) == 0
    assert lpips(a, b) > 0
    assert lpips(a, b) != lpips(a, b, rescaled=False)
    with pytest.raises(ValueError, match="no LPIPS weights"):
        picture_networks.Lpips.load(
            vgg, saved(tmp_path / "x.safetensors", {"x": torch.zeros(1)}, "lpips-vgg")
        )


def test_consistency_is_one_for_a_still_and_zero_for_opposites():
    still = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    assert picture_networks.consistency(still) == 1
    turning = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert picture_networks.consistency(turning) == 0
    assert np.isnan(picture_networks.consistency(still[:1]))


def test_dino_reads_a_transformers_folder_offline(tmp_path):
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "dino")
    weights = parse_weights([f"dino={tmp_path / 'dino'}"])
    figure = picture_networks.video_figures(weights)["subject-consistency"]
    clip = video(3, (20, 36))
    assert figure(np.repeat(clip[:1], 3, axis=0), 8.0, None) == pytest.approx(1, abs=1e-5)
    assert 0 <= figure(clip, 8.0, None) < 1


def test_clip_reads_a_transformers_folder_offline(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    words = {word: i for i, word in enumerate(["<pad>", "<unk>", "a", "person", "walks", "<end>"])}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    )
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=sizes | {"vocab_size": 6, "eos_token_id": 5, "bos_token_id": 0, "pad_token_id": 0},
        vision_config=sizes | {"image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    tokenizer.save_pretrained(tmp_path / "clip")
    figures = picture_networks.video_figures(parse_weights([f"clip={tmp_path / 'clip'}"]))
    clip = video(3, (20, 36))
    assert -1 <= figures["clipsim"](clip, 8.0, "a person walks") <= 1
    assert np.isnan(figures["clipsim"](clip, 8.0, None))
    still = figures["background-consistency"](np.repeat(clip[:1], 3, axis=0), 8.0, None)
    assert still == pytest.approx(1, abs=1e-5)


def test_every_source_says_what_it_is_and_where_it_is():
    for source in SOURCES.values():
        assert source.what
        assert source.where
