"""How much memory several processes of one machine take together for a frozen backbone that they share.

    python benchmarks/shared_weights.py [--processes 2] [--layers 12]

A Wan transformer of Wan2.1-1.3B's width with random weights in bfloat16 is loaded and sharded by the recipes' own code
(`load_backbone`, `make_adapter`, `ranks.prepare`) in gloo processes, beside a full copy in each, as it would be without.
Memory is the proportional set size of all processes (smaps_rollup): a page that two share counts half in each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
from pathlib import Path

import torch


def build(folder: Path, layers: int) -> int:
    """A pipeline with a large transformer and tiny everything else; the bytes of the transformer's weights."""
    from diffusers import WanTransformer3DModel
    from tests.video.published_tiny import wan_pipeline

    pipeline = wan_pipeline()
    own = dict(pipeline.transformer.config)
    with torch.device("meta"):
        large = WanTransformer3DModel.from_config(
            {
                **own,
                "num_attention_heads": 12,
                "attention_head_dim": 128,
                "ffn_dim": 8960,
                "num_layers": layers,
            }
        )
    large = large.to(torch.bfloat16).to_empty(device="cpu")
    with torch.no_grad():
        for each in large.parameters():
            each.normal_(std=0.02)
    config = large.config  # tables of positions are no parameters: they are made anew
    large.rope = type(large.rope)(config.attention_head_dim, config.patch_size, config.rope_max_seq_len)
    pipeline.transformer = large
    pipeline.to(torch.bfloat16).save_pretrained(folder)
    return sum(each.numel() * each.element_size() for each in large.parameters())


def proportional() -> int:
    """Bytes of this process, pages that others map as well divided among them."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system has no smaps_rollup")


def worker(rank: int, world: int, folder: str, full: bool, results: multiprocessing.Queue) -> None:
    os.environ |= {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1"}
    torch.set_num_threads(1)
    import torch.distributed as dist

    from kinema.training import ranks, whereabouts
    from kinema.training.frozen import AdapterModel, load_backbone, make_adapter
    from kinema.video.adapters.attach import attach

    meeting = f"file://{folder}/meeting-{full}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    empty = proportional()
    model = load_backbone(folder, torch.bfloat16, None)
    if full:
        for each in model.transformer.parameters():
            each.data = each.data.clone()
    else:
        options = {"motion_width": 64, "heads": 2, "first_width": 8, "rank": 8}
        adapter = make_adapter(AdapterModel("tokenmotion", folder, options=options), model)
        attach(model.transformer, adapter)
    whereabouts.wait("loading")
    loaded = proportional() - empty
    whereabouts.wait("measuring")
    if not full:
        ranks.prepare(model.transformer, adapter, "cpu")
    whereabouts.wait("sharding")
    results.put((loaded, proportional() - empty))
    whereabouts.wait("measuring again")
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--layers", type=int, default=12)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        weights = build(Path(folder), args.layers)
        found: dict[str, object] = {"processes": args.processes, "weights_gb": round(weights / 1e9, 3)}
        for full in (False, True):
            results = context.Queue()
            started = [
                context.Process(target=worker, args=(rank, args.processes, folder, full, results))
                for rank in range(args.processes)
            ]
            for each in started:
                each.start()
            measured = [results.get(timeout=600) for _ in started]
            for each in started:
                each.join()
            kind = "a_copy_each" if full else "shared"
            found[f"{kind}_loaded_gb"] = round(sum(loaded for loaded, _ in measured) / 1e9, 3)
            if not full:
                found["shared_sharded_gb"] = round(sum(sharded for _, sharded in measured) / 1e9, 3)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
