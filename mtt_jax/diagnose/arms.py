"""Arms: the ways to train that a diagnosis compares, as configs of equal budget.

    joint             one model, all tasks, train.steps
    TASK alone        a model of one task that reads as many of its task's subwords as joint
    frozen            joint, heads alone on the encoder that the run starts from
    real sentences    joint, without the synthetic ones and the embedded corpus, where the run has
                      some
    a balancer        joint, with train.balance

Where no sentence has two labels, the steps of the models alone add up to train.steps.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from mtt_jax.config import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.sampling import expected_draws, parts_by_task

# Heads alone want larger steps than an encoder that is fine-tuned.
_FROZEN_RATE = 10.0
FROZEN, REAL = "frozen", "real sentences"
# Checkpoints of a run at which gradients are compared.
POINTS = 8


def alone(task: str) -> str:
    """The name of the arm that trains a task by itself."""
    return f"{task} alone"


def make_arms(config: Config, examples: ExampleSet, balancers: Sequence[str]) -> dict[str, Config]:
    """Arm -> its config, without the seed.

    Args:
      config: of the run to decide on, without phases.
      examples: its training split.
      balancers: values of train.balance to set beside plain joint training.
    """
    steps = config.train.steps
    joint = _with_train(
        config,
        eval_every=steps,
        save_every=max(1, steps // POINTS),
        keep=POINTS,
        tensorboard=False,
    )
    arms = {"joint": joint}
    for name, share in shares_of_subwords(config, examples).items():
        tasks = {
            other: task if other == name else dataclasses.replace(task, weight=0.0)
            for other, task in config.tasks.items()
        }
        own = max(1, round(share * steps))
        arms[alone(name)] = _with_train(
            dataclasses.replace(joint, tasks=tasks),
            steps=own,
            warmup=min(own, round(share * config.train.warmup)),
            eval_every=own,
            save_every=own,
            score=f"{name}=1",
            balance="fixed",
            balance_options="",
            balance_on="parameters",
        )
    if config.encoder.init or config.init_from:
        arms[FROZEN] = _with_train(
            joint,
            freeze=(*config.train.freeze, "encoder/.*"),
            learning_rate=_FROZEN_RATE * config.train.learning_rate,
            balance="fixed",
            balance_options="",
            balance_on="parameters",
        )
    if any(source.synthetic or source.newswire for source in config.task_data.values()):
        real = {
            name: dataclasses.replace(source, synthetic=0.0, gazetteer="", newswire=0)
            for name, source in config.task_data.items()
        }
        arms[REAL] = dataclasses.replace(joint, task_data=real)
    for balancer in balancers:
        arms[balancer] = _with_train(joint, balance=balancer, balance_options="")
    return arms


def shares_of_subwords(config: Config, examples: ExampleSet) -> dict[str, float]:
    """Task -> share of the subwords that a run of all tasks reads which carry its labels."""
    parts = parts_by_task(examples, config)
    lengths = np.minimum(examples.lengths(), config.data.max_length)
    draws = expected_draws(parts, lengths, config)
    total = sum(draws[name] * float(lengths[part].mean()) for name, part in parts.items())
    shares = {}
    for task in config.task_list:
        labelled = examples.labelled(task)
        read = sum(
            draws[name] * float((lengths[part] * labelled[part]).mean())
            for name, part in parts.items()
        )
        if config.tasks[task.name].weight:
            shares[task.name] = read / total
    return shares


def _with_train(config: Config, **fields) -> Config:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **fields))
