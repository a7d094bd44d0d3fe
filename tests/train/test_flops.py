"""Model FLOP utilization: what training costs and what a device can do."""

import pytest
from flax.traverse_util import flatten_dict

from mtt_jax.config.schema import EncoderConfig
from mtt_jax.train import flops
from tests.helpers import make_config, model_and_params


def test_flops_count_each_matrix_three_times_and_attention_over_the_whole_row():
    encoder = EncoderConfig(layers=2, width=8, heads=2, feedforward=20)
    matrices = 2 * (8 * 24 + 8 * 8 + 8 * 20 + 20 * 8)  # qkv, out, up, down
    assert flops.per_token(encoder, 16) == 6 * matrices + 12 * 2 * 8 * 16
    gated = EncoderConfig(layers=2, width=8, heads=2, feedforward=20, gated=True)
    assert flops.per_token(gated, 16) - flops.per_token(encoder, 16) == 6 * 2 * 8 * 20


@pytest.mark.parametrize("gated", [False, True])
def test_flops_count_the_matrices_that_the_model_has(gated, tokenizer):
    config = make_config(encoder__gated=gated)
    _, params = model_and_params(config, tokenizer)
    layers = [part for name, part in params["encoder"].items() if name.startswith("layer")]
    leaves = flatten_dict(dict(enumerate(layers)))
    matrices = sum(leaf.size for path, leaf in leaves.items() if path[-1] == "kernel")
    assert flops.per_token(config.encoder, 0) == 6 * matrices


@pytest.mark.parametrize(
    ("device", "dtype", "teraflops"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.5),
        ("NVIDIA H100 PCIe", "bfloat16", 756.5),
        ("NVIDIA H200", "float32", 494.5),
        ("NVIDIA A100-SXM4-40GB", "float32", 156),
        ("NVIDIA L4", "bfloat16", 121),
        ("Tesla T4", "float32", 8.1),
    ],
)
def test_the_peak_of_a_device_is_found_by_its_name(device, dtype, teraflops):
    assert flops.peak(device, dtype) == teraflops * 1e12


@pytest.mark.parametrize(
    "device", ["cpu", "", "NVIDIA L40S", "NVIDIA GH200 480GB", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"]
)
def test_an_unknown_device_has_no_peak_and_no_utilisation(device):
    assert flops.peak(device, "bfloat16") is None
    assert flops.utilisation(EncoderConfig(), 128, 1e6, flops.peak(device, "bfloat16")) is None


def test_a_t4_has_no_bfloat16():
    assert flops.peak("Tesla T4", "bfloat16") is None


def test_utilisation_is_1_if_the_device_runs_at_its_peak():
    encoder = EncoderConfig()
    assert flops.utilisation(encoder, 128, 1000, 1000 * flops.per_token(encoder, 128)) == 1
