"""Weights and images by formula, so that the files of expected numbers need not hold them.

value(name, i) = 2 * (splitmix64(fnv1a64(name) + i * 0x9E3779B97F4A7C15) >> 40) * 2^-24 - 1, in
[-1, 1). tests/models/formula.h computes the same. `i` counts in ktrain's order: filters are KRSC, images
and feature maps NHWC, and the input of the first fully connected layer is (7, 7, channels).
"""
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def fnv1a64(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def values(name, size):
    """float64 array of `size` numbers in [-1, 1)."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + np.arange(1, size + 1, dtype=np.uint64) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def parameter(name, shape, salt):
    """A parameter or buffer in ktrain's layout, rounded to float32.

    Weights of convolutions and matrices are even in +-gain * sqrt(3 / fan_in), gain 0.2 for the
    rpn_cls and *_reg layers and sqrt(2) elsewhere; normalisation: weight 0.5 + 0.25 v, running_var
    1 + 0.3 v, everything else 0.1 v. `salt` stands before the name: another
    salt, other weights.
    """
    v = values(salt + name, int(np.prod(shape)))
    if len(shape) > 1:
        gain = 0.2 if name.endswith(("rpn_cls.weight", "_reg.weight")) else np.sqrt(2.0)
        v = v * gain * np.sqrt(3.0 / np.prod(shape[1:]))
    elif name.endswith("running_var"):
        v = 1 + 0.3 * v
    elif name.endswith(".weight"):
        v = 0.5 + 0.25 * v
    else:
        v = 0.1 * v
    return v.astype(np.float32).reshape(shape)


def image(name, batch, height, width):
    """uint8 NHWC: 16 x 16 blocks of colour under noise."""
    rows, cols = (height + 15) // 16, (width + 15) // 16
    coarse = values(name + ".blocks", batch * rows * cols * 3).reshape(batch, rows, cols, 3)
    coarse = coarse.repeat(16, 1).repeat(16, 2)[:, :height, :width]
    fine = values(name + ".noise", batch * height * width * 3).reshape(batch, height, width, 3)
    return np.floor(128 + 90 * coarse + 30 * fine).astype(np.uint8)
