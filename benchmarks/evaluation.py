"""The numerics of evaluation: Fréchet distance against an exact oracle and scipy, SSIM against scikit-image.

The oracle: y = D x + b with D symmetric positive definite has the distance |mean difference|^2 + Tr((I - D) S (I - D)),
also where the covariance S is singular; it is computed in long doubles.
What counts is the process's own time, so that other programs on the machine do not. Run:
    OMP_NUM_THREADS=1 python benchmarks/evaluation.py
The last line is JSON; the gates are frechet_error <= 1e-12, frechet_self <= 1e-12, frechet_speedup >= 100,
ssim_error <= 1e-6 and ssim_speedup >= 5. scipy's square root of 2048 x 2048 takes half a minute; --quick leaves it out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import cv2
import numpy as np
from scipy.linalg import sqrtm
from skimage.metrics import structural_similarity

from kinema.evaluation.metrics.frechet import PooledFrechet, frechet_distance
from kinema.evaluation.metrics.image import ssim

GATES = {
    "frechet_error": ("<=", 1e-12),
    "frechet_self": ("<=", 1e-12),
    "frechet_speedup": (">=", 100.0),
    "ssim_error": ("<=", 1e-6),
    "ssim_speedup": (">=", 5.0),
}
SCIKIT = {
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform-7": {},
}


def seconds(function: Callable[[], object], repeats: int) -> float:
    """The least processor time of a call."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def known_pair(rng: np.random.Generator, samples: int, features: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Two sets y = D x + b and their exact distance.

    D is a positive diagonal and a positive multiple of the projection on one direction, all of them short binary
    fractions, as x and b are: y is exact in float64. The oracle is the squared mean of x - y plus its variance.
    """
    x = np.round(rng.standard_normal((samples, features)) * 2.0**16) / 2.0**16
    diagonal = 1 + rng.integers(-48, 64, features) / 128.0
    direction = rng.choice([-1.0, 1.0], features)
    shift = rng.integers(-64, 64, features) / 64.0
    y = x * diagonal + (x @ direction)[:, None] * direction * 2.0**-12 + shift
    difference = x.astype(np.longdouble) - y.astype(np.longdouble)
    mean = difference.mean(axis=0)
    variance = np.square(difference - mean).sum(axis=0) / (samples - 1)
    return x, y, float(np.square(mean).sum() + variance.sum())


def scipy_frechet(a: np.ndarray, b: np.ndarray) -> float:
    """As the usual scripts have it: covariances, and scipy's square root of their product."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(first @ second)
    return float(
        np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first) + np.trace(second) - 2 * np.trace(root).real
    )


def pictures(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture with texture, and a noisy, blurred copy, uint8 [side, side, 3]."""
    base = cv2.resize(rng.uniform(0, 255, (12, 12, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    a = np.clip(base + rng.normal(0, 15, base.shape), 0, 255).astype(np.uint8)
    b = np.clip(cv2.GaussianBlur(a, (0, 0), 1.0) + rng.normal(0, 6, a.shape), 0, 255).astype(np.uint8)
    return a, b


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out scipy's square root")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    figures: dict[str, float | str] = {}

    errors, selves = [], []
    for samples, features in ((300, 2048), (256, 400), (2048, 400), (20, 96), (300, 300)):
        x, y, exact = known_pair(rng, samples, features)
        errors.append(abs(frechet_distance(x, y) - exact) / exact)
        selves.append(frechet_distance(x, x))
        print(
            f"{samples:>5} x {features:<5} exact {exact:.12g}  relative error {errors[-1]:.1e}  itself {selves[-1]:.1e}"
        )
    figures["frechet_error"], figures["frechet_self"] = max(errors), max(selves)

    x, y, exact = known_pair(rng, 300, 2048)
    fast = seconds(lambda: frechet_distance(x, y), options.repeats)
    figures["frechet_ms"] = 1e3 * fast
    if not options.quick:
        slow = seconds(lambda: figures.update(scipy_error=abs(scipy_frechet(x, y) - exact) / exact), 1)
        figures["scipy_sqrtm_ms"], figures["frechet_speedup"] = 1e3 * slow, slow / fast

    pool = PooledFrechet(rng.standard_normal((300, 400)))
    a, b = np.arange(100), np.arange(100, 200)
    figures["permutation_ms"] = 1e3 * seconds(lambda: pool.distance(a, b), options.repeats)

    first, second = pictures(rng, 512)
    worst = 0.0
    for variant, arguments in SCIKIT.items():
        expected = structural_similarity(first, second, channel_axis=-1, data_range=255, **arguments)
        worst = max(worst, abs(ssim(first, second, variant) - expected))
    figures["ssim_error"] = worst
    own = seconds(lambda: ssim(first, second, "gaussian"), 4 * options.repeats)
    theirs = seconds(
        lambda: structural_similarity(first, second, channel_axis=-1, data_range=255, **SCIKIT["gaussian"]),
        options.repeats,
    )
    figures["ssim_ms"], figures["scikit_image_ms"] = 1e3 * own, 1e3 * theirs
    figures["ssim_speedup"] = theirs / own

    passed = True
    for name, (relation, bound) in GATES.items():
        if name not in figures:
            continue
        value = float(figures[name])
        fine = value <= bound if relation == "<=" else value >= bound
        passed &= fine
        print(f"{'pass' if fine else 'FAIL'}  {name} {value:.3g} {relation} {bound:g}")
    print(json.dumps({**{k: float(f"{float(v):.4g}") for k, v in figures.items()}, "passed": passed}))


if __name__ == "__main__":
    main()
