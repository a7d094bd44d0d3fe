"""Arms: the training setups that a diagnosis compares, as configs with equal budgets.

    joint             one model, all tasks, train.steps
    TASK alone        a model of one task that reads as many of its task's subwords as joint
    frozen            joint with the encoder frozen at what the run starts from: only heads train,
                      at ten times the learning rate
    real sentences    joint without synthetic sentences and the embedded corpus, if the run has
                      some, with the same shares of the draws
    a balancer        joint with train.balance

If no sentence has two labels, the steps of the models alone add up to train.steps. No arm stops
early. With train.best_by_task each is evaluated several times, and each task is compared in the
checkpoint that is its own best.
"""

import dataclasses
from collections.abc import Sequence

from mtt_jax.config.contradictions import check
from mtt_jax.config.schema import BALANCERS_BY_GRADIENT, Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.sampling import expected_draws, lengths_read, mixing_weights, parts_by_task
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task

# Heads on their own need a higher learning rate than an encoder that is fine-tuned.
_FROZEN_RATE = 10.0
# With a single task, or a frozen encoder, there is nothing to balance.
_UNBALANCED = {"balance": "fixed", "balance_options": {}, "balance_on": "parameters"}
FROZEN, REAL = "frozen", "real sentences"
# Checkpoints of a run at which gradients are compared.
POINTS = 8


def alone(task: str) -> str:
    """The name of the arm that trains a task by itself."""
    return f"{task} alone"


def compared_tasks(config: Config) -> list[Task]:
    """The tasks that a diagnosis compares: those that train with a weight above 0."""
    return [
        task
        for task in config.task_list
        if task.name in config.active and config.tasks[task.name].weight
    ]


def make_arms(config: Config, examples: ExampleSet, balancers: Sequence[str]) -> dict[str, Config]:
    """Arm -> its config, without the seed.

    Args:
      config: of the run to decide on, without phases.
      examples: its training split.
      balancers: values of train.balance to compare with plain joint training.

    Raises:
      UserError: for an arm that contradicts the config, such as a balancer with train.accumulate.
    """
    steps = config.train.steps
    if balancers and config.train.balance != "fixed":
        raise UserError(
            f"--balancers: they are compared with plain joint training, but config.train.balance "
            f"is {config.train.balance!r}; leave it at 'fixed'."
        )
    joint = _with_train(config, patience=0, keep=1, log_to=(), **_evaluated(config, steps))
    arms = {"joint": joint}
    for name, share in shares_of_subwords(config, examples).items():
        # The weights of 0 say the same as train.tasks; until version 0.1 they were all there was.
        tasks = {
            other: task if other == name else dataclasses.replace(task, weight=0.0)
            for other, task in config.tasks.items()
        }
        own = max(1, round(share * steps))
        arms[alone(name)] = _with_train(
            dataclasses.replace(joint, tasks=tasks),
            tasks=(name,),
            steps=own,
            warmup=min(own, round(share * config.train.warmup)),
            **_evaluated(config, own),
            score={name: 1.0},
            **_UNBALANCED,
        )
    starts = config.encoder.init or (config.init_from and config.init_parts != "heads")
    if starts and "encoder/.*" not in config.train.freeze:
        arms[FROZEN] = _with_train(
            joint,
            freeze=(*config.train.freeze, "encoder/.*"),
            learning_rate=_FROZEN_RATE * config.train.learning_rate,
            encoder_rate=1.0,
            embedding_rate=1.0,
            head_rate=1.0,
            **_UNBALANCED,
        )
    if any(task.data.synthetic or task.data.newswire for task in config.tasks.values()):
        arms[REAL] = _real_sentences(joint, examples)
    for balancer in balancers:
        where = config.train.balance_on if balancer in BALANCERS_BY_GRADIENT else "parameters"
        arms[balancer] = _with_train(joint, balance=balancer, balance_options={}, balance_on=where)
    for arm in arms.values():
        check(arm)
    return arms


def _evaluated(config: Config, steps: int) -> dict[str, int]:
    """Fields of train: when an arm of so many steps is evaluated and saved."""
    every = -(-steps // POINTS) if config.train.best_by_task else steps
    return {"eval_every": every, "save_every": every}


def _real_sentences(joint: Config, examples: ExampleSet) -> Config:
    """Joint training without synthetic sentences and the embedded corpus."""
    # The same shares of the draws, since a task with more sentences is drawn more often.
    sizes = {name: len(part) for name, part in parts_by_task(examples, joint).items()}
    shares = mixing_weights(sizes, joint)
    tasks = {
        name: dataclasses.replace(
            task,
            sampling=shares.get(name, 0.0),
            sampling_cap=0,
            data=dataclasses.replace(task.data, synthetic=0.0, gazetteer="", newswire=0),
        )
        for name, task in joint.tasks.items()
    }
    return _with_train(dataclasses.replace(joint, tasks=tasks), mixing="explicit")


def with_points(config: Config) -> Config:
    """The config with checkpoints kept for each point at which gradients are compared."""
    return _with_train(config, save_every=-(-config.train.steps // POINTS), keep=POINTS)


def shares_of_subwords(config: Config, examples: ExampleSet) -> dict[str, float]:
    """Task -> the share of the subwords in a run of all tasks that carry labels of it."""
    parts = parts_by_task(examples, config)
    lengths = lengths_read(examples, config)
    draws = expected_draws(parts, lengths, config)
    total = sum(draws[name] * float(lengths[part].mean()) for name, part in parts.items())
    shares = {}
    for task in compared_tasks(config):
        labelled = examples.labelled(task)
        read = sum(
            draws[name] * float((lengths[part] * labelled[part]).mean())
            for name, part in parts.items()
        )
        shares[task.name] = read / total
    return shares


def _with_train(config: Config, **fields) -> Config:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **fields))
