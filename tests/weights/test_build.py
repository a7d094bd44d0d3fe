"""Building a model from a config: specs, and what depends on this machine."""

import dataclasses

import jax
import pytest

from mtt_jax.config.schema import EncoderConfig
from mtt_jax.model.spec import EncoderSpec
from mtt_jax.weights.build import build_model, count_parameters, encoder_spec, init_params
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
    params = jax.eval_shape(lambda: init_params(model, key, 48))
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
    ],
)
def test_attention_implementation_depends_on_the_devices(
    asked, backend, devices, used, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    assert encoder_spec(EncoderConfig(attention=asked), 50, slots=4).attention == used
    assert encoder_spec(EncoderConfig(), 50, slots=4, attention=asked).attention == used
