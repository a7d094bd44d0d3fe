"""How many FLOPs training needs and a device can do: model FLOP utilization (MFU)."""

import re

from mtt_jax.config.schema import EncoderConfig

# Words in a device's name -> dense TFLOP/s in (bfloat16, float32); the first match counts.
_PEAKS: dict[tuple[str, ...], tuple[float | None, float]] = {
    ("H100", "PCIe"): (756.5, 378.0),
    ("H100", "NVL"): (835.5, 417.5),
    ("H200", "NVL"): (835.5, 417.5),
    ("H100",): (989.5, 494.5),
    ("H200",): (989.5, 494.5),
    ("A100",): (312.0, 156.0),
    ("L4",): (121.0, 60.0),
    ("T4",): (None, 8.1),
}


def per_token(encoder: EncoderConfig, row_length: int) -> int:
    """FLOPs to train the encoder on one position of a row, forward and backward.

    6 per parameter of a matrix, as a multiply-add is 2 FLOPs and the backward pass costs twice the
    forward pass; 12 * layers * width * row_length for attention, whose two matmuls run over the
    whole row (Chowdhery et al. 2022, appendix B). Heads, embeddings, normalization and what `remat`
    recomputes are left out, and nothing is subtracted for frozen parameters.

    Args:
      encoder: sizes of the encoder.
      row_length: L, positions of a row.
    """
    attention = 4 * encoder.width**2
    feedforward = (2 + encoder.gated) * encoder.width * encoder.feedforward
    beside = 2 * encoder.convolution + 1 if encoder.convolution else 0
    matrices = encoder.layers * (attention + feedforward) + beside * encoder.width**2
    return 6 * matrices + 12 * encoder.layers * encoder.width * row_length


def peak(device_kind: str, dtype: str) -> float | None:
    """Peak FLOP/s of a device; None for one that is not in the table.

    Dense figures from NVIDIA's data sheets, which print twice as much for sparse matrices. float32
    means TF32, which XLA uses for float32 matmuls by default if the device has it; the T4 has
    neither TF32 nor bfloat16. A slice of a GPU (MIG) has no figure.

        H100  https://resources.nvidia.com/en-us-tensor-core/nvidia-tensor-core-gpu-datasheet
        H200  https://www.nvidia.com/en-us/data-center/h200/
        A100  https://www.nvidia.com/en-us/data-center/a100/
        L4    https://www.nvidia.com/en-us/data-center/l4/
        T4    https://www.nvidia.com/en-us/data-center/tesla-t4/

    Args:
      device_kind: as JAX names it, such as "NVIDIA H100 80GB HBM3".
      dtype: "bfloat16" or "float32".
    """
    words = set(re.split(r"[\s-]+", device_kind))
    if "MIG" in words:
        return None
    for names, (bfloat16, float32) in _PEAKS.items():
        if words.issuperset(names):
            teraflops = bfloat16 if dtype == "bfloat16" else float32
            return teraflops * 1e12 if teraflops else None
    return None


def utilisation(
    encoder: EncoderConfig, row_length: int, tokens_per_second: float, peak: float | None
) -> float | None:
    """Share of the devices' peak that the encoder's training uses; None without a peak.

    Args:
      encoder: sizes of the encoder.
      row_length: L, positions of a row.
      tokens_per_second: subwords on all devices; padding does not count.
      peak: FLOP/s of all devices together.
    """
    return tokens_per_second * per_token(encoder, row_length) / peak if peak else None
