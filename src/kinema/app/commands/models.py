"""`kinema models`: the embedded weights, and the backbones that can be named: what each follows of a scene."""

from __future__ import annotations

from kinema.app.commands.shared import JSON
from kinema.app.console import result


def models(as_json: bool = JSON) -> None:
    """List the embedded models and the backbones: which follow a pose, a camera, a film."""
    from kinema.app.catalogue import backbone_facts, backbones, described, embedded_models
    from kinema.app.request import ROUGH
    from kinema.video.models.published import PUBLISHED

    found, names = embedded_models(), backbones()
    lines = [f"{'model':<24}{'class':<26}{'size':>9}  licence"]
    lines += [f"{m.name:<24}{m.kind:<26}{m.bytes / 1e6:>6.1f} MB  {m.licence}" for m in found]
    lines += [f"{'in all':<50}{sum(m.bytes for m in found) / 1e6:>6.1f} MB"]
    lines += [f"card: {card}" for card in sorted({m.card for m in found if m.card})]
    lines += ["", f"{'--backbone':<25}where, and what it is"]
    for name, where in names.items():
        lines.append(f"{name:<25}{where}")
        if name in PUBLISHED:
            lines.append(f"{'':<25}{described(name)}")
    lines += ["", f"{ROUGH} is no model: the person of a picture is cut out and moved (docs/rough_take.md)"]
    facts = {"models": [m.facts() for m in found], "backbones": names, "published": backbone_facts()}
    result(facts, "\n".join(lines), as_json)
