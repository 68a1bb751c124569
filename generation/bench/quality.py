"""How near images are to a reference."""

import numpy as np
from jaxtyping import Bool, Float64, UInt8


def psnr(
    image: UInt8[np.ndarray, "T H W 3"], reference: UInt8[np.ndarray, "T H W 3"], where: Bool[np.ndarray, "T H W"]
) -> float:
    """Peak signal-to-noise ratio in dB of some pixels, 8-bit sRGB; inf if they are equal, NaN if there are none."""
    error = (image[where].astype(np.float64) - reference[where].astype(np.float64)) ** 2
    if not error.size:
        return float("nan")
    return float(10 * np.log10(255.0**2 / error.mean())) if error.any() else float("inf")


def ssim(image: UInt8[np.ndarray, "T H W 3"], reference: UInt8[np.ndarray, "T H W 3"]) -> float:
    """Structural similarity of luma, Gaussian window of 1.5 px (Wang et al. 2004), mean over pixels and frames."""
    from scipy.ndimage import gaussian_filter

    def blurred(values: Float64[np.ndarray, "T H W"]) -> Float64[np.ndarray, "T H W"]:
        return gaussian_filter(values, sigma=(0, 1.5, 1.5), truncate=3.5)

    weights = np.array([0.299, 0.587, 0.114])
    a, b = image.astype(np.float64) @ weights, reference.astype(np.float64) @ weights
    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(similar.mean())
