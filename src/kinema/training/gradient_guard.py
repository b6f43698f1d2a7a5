"""Watches that auxiliary terms stay auxiliary: their gradients beside that of the main term."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch


class AuxiliaryGradientWarning(UserWarning):
    """An auxiliary term pulls harder than it should."""


class GradientGuard:
    """Every `every` steps, measures the gradient norm of each auxiliary term, weight included, against the main one.

    Only parameters that the main term trains count: a head that an auxiliary term has for itself disturbs nobody.
    Costs one backward pass per term when it measures, and changes nothing.

    Args:
        parameters: what is trained.
        weights: lambda of each auxiliary term; all terms that are not named here are the main one.
        every: steps between measurements.
        threshold: share of the main gradient norm above which it warns, once per term (10 %, ours).
    """

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        weights: Mapping[str, float],
        every: int = 50,
        threshold: float = 0.1,
    ) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1 step, got {every}")
        self.parameters = list(parameters)
        self.weights = dict(weights)
        self.every = every
        self.threshold = threshold
        self._warned: set[str] = set()

    def watch(self, step: int, terms: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Measures where it is time to; before the backward pass that trains.

        Args:
            step: of the training.
            terms: by name, not yet weighted.

        Returns:
            Gradient norm of each auxiliary term as a share of the main one; nothing between measurements.
        """
        auxiliary = [name for name in terms if self.weights.get(name)]
        main = [terms[name] for name in terms if name not in self.weights]
        if step % self.every or not auxiliary or not main:
            return {}
        shared, whole = self._gradients(torch.stack(main).sum(), self.parameters)
        if not shared:
            return {}
        shares = {}
        for name in auxiliary:
            _, norm = self._gradients(self.weights[name] * terms[name], shared)
            share = norm / max(whole, 1e-12)
            shares[name] = share
            if share > self.threshold and name not in self._warned:
                self._warned.add(name)
                warnings.warn(
                    f"step {step}: the gradient of {name!r} (weight {self.weights[name]:g}) is {share:.0%} of the "
                    f"main one, above {self.threshold:.0%}: lower its weight if the main loss suffers",
                    AuxiliaryGradientWarning,
                    stacklevel=2,
                )
        return shares

    @staticmethod
    def _gradients(
        term: torch.Tensor, parameters: Sequence[torch.Tensor]
    ) -> tuple[list[torch.Tensor], float]:
        """The parameters that a term reaches, and the norm of its gradient over them."""
        if not term.requires_grad:
            return [], 0.0
        gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        reached = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
        norms = [gradient.norm() for _, gradient in reached]
        return [parameter for parameter, _ in reached], float(torch.stack(norms).norm()) if norms else 0.0
