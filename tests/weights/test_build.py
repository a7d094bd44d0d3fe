"""Building a model from a config: specs, and what depends on this machine."""

import dataclasses
import types

import jax
import pytest

from mtt_jax.config.schema import EncoderConfig
from mtt_jax.model.spec import EncoderSpec
from mtt_jax.weights import build
from mtt_jax.weights.build import (
    attention_of,
    build_model,
    count_parameters,
    encoder_spec,
    init_params,
)
from tests.helpers import batch_of, four_task_config, make_config


def test_models_of_equal_configs_are_equal_and_hash_alike():
    one, same, other = (
        build_model(make_config(encoder__layers=layers), 50) for layers in (1, 1, 2)
    )
    assert one == same != other
    assert hash(one) == hash(same)


def test_every_field_of_the_encoder_config_is_in_its_spec():
    config = {field.name for field in dataclasses.fields(EncoderConfig)}
    spec = {field.name for field in dataclasses.fields(EncoderSpec)}
    assert config - spec == {"init"}
    assert spec - config == {"vocab_size", "slots", "matmul_dtype"}


def test_each_task_has_a_head_that_answers_per_unit(examples):
    config = four_task_config()
    model = build_model(config, 300)
    batch = batch_of(examples, make_config()).batch
    key = jax.random.key(0)
    params = jax.eval_shape(lambda: init_params(model, key))
    assert list(params["heads"]) == sorted(config.tasks)
    outputs = jax.eval_shape(lambda p: model.apply({"params": p}, batch), params)
    rows, length = batch.tokens.shape
    assert {name: logits.shape for name, logits in outputs.logits.items()} == {
        "topic": (rows, config.slots, 3),
        "ner": (rows, length, 5),
        "subjects": (rows, config.slots, 3),
        "pos": (rows, length, 3),
    }
    assert count_parameters(params["heads"]["topic"]) == 16 * 3 + 3


@pytest.mark.parametrize(
    ("asked", "backend", "devices", "used"),
    [
        ("auto", "cpu", 1, "blocked"),
        ("auto", "cpu", 8, "plain"),
        ("auto", "gpu", 1, "plain"),
        ("cudnn", "gpu", 1, "cudnn"),
        ("cudnn", "cpu", 1, "blocked"),
        ("plain", "cpu", 1, "plain"),
        ("blocked", "gpu", 2, "blocked"),
        ("fused", "cpu", 1, "blocked"),
        ("fused", "cpu", 8, "plain"),
        ("fused", "gpu", 1, "plain"),
    ],
)
def test_attention_implementation_depends_on_the_devices(
    asked, backend, devices, used, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    assert encoder_spec(EncoderConfig(attention=asked), 50, slots=4).attention == used
    assert encoder_spec(EncoderConfig(), 50, slots=4, attention=asked).attention == used


@pytest.mark.parametrize("asked", ["auto", "fused"])
@pytest.mark.parametrize(
    ("capability", "devices", "encoder", "row_length", "used"),
    [
        ("9.0", 1, {}, 128, "fused"),
        ("8.0", 1, {"width": 512}, 64, "fused"),
        ("12.1", 1, {}, 384, "fused"),
        ("9.0", 1, {}, 96, "plain"),
        ("9.0", 1, {"heads": 2, "width": 96}, 128, "plain"),
        ("9.0", 1, {"dtype": "float32"}, 128, "plain"),
        ("9.0", 2, {}, 128, "plain"),
        ("7.5", 1, {}, 128, "plain"),
        ("gfx942", 1, {}, 128, "plain"),
    ],
)
def test_fused_attention_is_used_on_one_gpu_that_it_fits(
    asked, capability, devices, encoder, row_length, used, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    gpu = types.SimpleNamespace(compute_capability=capability)
    monkeypatch.setattr(jax, "devices", lambda: [gpu] * devices)
    fields = {f"encoder__{name}": value for name, value in encoder.items()}
    sizes = {"encoder__width": 128, "encoder__heads": 4, "encoder__dtype": "bfloat16"}
    config = make_config(
        **{**sizes, **fields}, encoder__attention="auto", train__row_length=row_length
    )
    config = dataclasses.replace(
        config, encoder=dataclasses.replace(config.encoder, attention=asked)
    )
    assert attention_of(config) == used
    if row_length % 64 == 0:  # otherwise `attend` finds out
        assert encoder_spec(config.encoder, 50, slots=4).attention == used


def test_fused_attention_needs_a_jax_with_tritons_backend(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setattr(jax, "devices", lambda: [types.SimpleNamespace(compute_capability="9.0")])
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    assert encoder_spec(EncoderConfig(dtype="bfloat16"), 50, slots=4).attention == "plain"
