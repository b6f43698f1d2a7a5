"""LoRA beside adapters: its layers go into the backbone, whichever came first."""

import pytest
import torch
from diffusers.models.modeling_utils import ModelMixin
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from tests.video.matrix_cases import FAMILIES, Cell, every_cell

from kinema.video.adapters.attach import detach

TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]  # names that adapters use for their own layers, too


@pytest.fixture
def lora(tmp_path):
    """A function that makes a LoRA file for a family and returns what load_lora_adapter takes."""

    def make(family: str) -> dict[str, object]:
        transformer = FAMILIES[family][0]()
        torch.manual_seed(5)
        transformer.add_adapter(LoraConfig(r=2, target_modules=TARGETS, init_lora_weights=False))
        transformer.save_lora_adapter(tmp_path)
        name = "pytorch_lora_weights.safetensors"
        return {
            "pretrained_model_name_or_path_or_dict": tmp_path,
            "weight_name": name,
            "prefix": None,
            "use_safetensors": True,
        }

    return make


def tuned(transformer: ModelMixin) -> list[str]:
    return [name for name, module in transformer.named_modules() if isinstance(module, BaseTunerLayer)]


@every_cell
def test_lora_gives_the_same_video_whether_it_comes_before_or_after(adapter_name, family, lora):
    file = lora(family)
    merged = Cell(adapter_name, family)
    merged.transformer.load_lora_adapter(**file)
    layers = tuned(merged.transformer)
    merged.transformer.fuse_lora()
    merged.transformer.unload_lora()
    merged.attach()

    before = Cell(adapter_name, family)
    before.transformer.load_lora_adapter(**file)
    before.attach()
    after = Cell(adapter_name, family).attach()
    names = list(after.adapter.state_dict())
    after.transformer.load_lora_adapter(**file)

    assert tuned(before.transformer) == tuned(after.transformer) == layers
    assert list(after.adapter.state_dict()) == names
    assert torch.equal(before.controlled(), after.controlled())
    torch.testing.assert_close(after.controlled(), merged.controlled(), atol=1e-4, rtol=1e-4)
    detach(after.transformer)
    torch.testing.assert_close(after.plain(), merged.plain(), atol=1e-4, rtol=1e-4)


@every_cell
def test_a_new_lora_neither_enters_nor_freezes_an_attached_adapter(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    trained = [name for name, parameter in cell.adapter.named_parameters() if parameter.requires_grad]
    cell.transformer.add_adapter(LoraConfig(r=2, target_modules=TARGETS))
    assert trained == [name for name, parameter in cell.adapter.named_parameters() if parameter.requires_grad]
    assert tuned(cell.transformer)
    assert not any("kinema_sites" in name for name in tuned(cell.transformer))


@every_cell
def test_lora_weights_scale_beside_an_adapter(adapter_name, family, lora):
    cell = Cell(adapter_name, family).attach()
    without = cell.controlled()
    cell.transformer.load_lora_adapter(**lora(family), adapter_name="style")
    cell.transformer.set_adapters("style", 0.0)
    assert torch.equal(cell.controlled(), without)


@every_cell
def test_lora_that_went_through_the_sites_behind_our_back_is_an_error(adapter_name, family):
    cell = Cell(adapter_name, family).attach()
    tokens = cell.encode()
    inject_adapter_in_model(LoraConfig(r=2, target_modules=TARGETS), cell.transformer, adapter_name="style")
    with pytest.raises(
        RuntimeError, match="PEFT has gone through the sites of an attached adapter to put in style"
    ):
        cell.run(tokens)


@every_cell
def test_lora_under_group_offloading_is_refused(adapter_name, family, lora):
    file = lora(family)
    cell = Cell(adapter_name, family).attach()
    cell.transformer.enable_group_offload(torch.device("cpu"), offload_type="leaf_level")
    with pytest.raises(ValueError, match="LoRA beside an attached adapter under group offloading"):
        cell.transformer.load_lora_adapter(**file)
