"""Contradictions: fields of a config that are right by themselves and not together."""

import math
import re
from collections.abc import Iterator, Mapping

from mtt_jax.config.schema import (
    BALANCERS_BY_GRADIENT,
    FIELDS_OF_KINDS,
    LOGGERS,
    SYNTHETIC_METHODS,
    WORD_FEATURES,
    Config,
    TaskConfig,
    TaskDataConfig,
)
from mtt_jax.config.values import check_names
from mtt_jax.errors import UserError
from mtt_jax.tasks import Objective

# Fields with a learning rate of a group -> the pattern that freezes the group.
_FREEZES = {
    "encoder_rate": "encoder/.*",
    "embedding_rate": "encoder/.*embedding.*",
    "head_rate": "heads/.*",
}
# The largest number that is tried as a divisor of another.
_TRIED = 100_000


def check(config: Config) -> None:
    """Checks that no fields contradict one another.

    Raises:
      UserError: for the first ones that do.
    """
    for problem in _contradictions(config):
        raise UserError(problem)


def _contradictions(config: Config) -> Iterator[str]:
    """Yields the contradictions between fields, one line each."""
    encoder, train, data = config.encoder, config.train, config.data
    for task in config.objectives:
        yield from _contradictions_of_task(task, config)
    yield from _contradictions_of_texts(config)
    check_names(encoder.word_features, WORD_FEATURES, "config.encoder.word_features")
    if len(set(encoder.word_features)) < len(encoder.word_features):
        yield "config.encoder.word_features: a feature is named twice; name it once."
    check_names(train.log_to, LOGGERS, "config.train.log_to")
    if len(set(train.log_to)) < len(train.log_to):
        yield "config.train.log_to: a logger is named twice; name it once."
    if encoder.width % encoder.heads:
        yield (
            f"config.encoder.heads: {encoder.heads} heads do not divide a width of {encoder.width};"
            f" set --config.encoder.heads={_divisor(encoder.width, encoder.heads)}, or change the "
            "width."
        )
    if encoder.positions == "rotary" and (encoder.width // encoder.heads) % 2:
        yield "config.encoder.positions: rotary needs an even width / heads."
    if encoder.positions == "sinusoidal" and encoder.width % 2:
        yield "config.encoder.positions: sinusoidal needs an even width."
    if encoder.positions == "learned" and encoder.max_positions < data.max_length:
        yield (
            f"config.encoder.max_positions: {encoder.max_positions} learned positions are fewer "
            f"than data.max_length, {data.max_length}; set --config.encoder.max_positions="
            f"{data.max_length}."
        )
    if encoder.embedding_norm and encoder.norm == "post":
        yield "config.encoder.embedding_norm: norm=post always has it; leave it at False."
    if encoder.lora_rank > min(encoder.width, encoder.feedforward):
        yield (
            f"config.encoder.lora_rank: {encoder.lora_rank} is larger than the width of the "
            "matrices that it updates."
        )
    if encoder.scan and (encoder.window or encoder.embedding_norm):
        different = "window" if encoder.window else "embedding_norm"
        yield (
            f"config.encoder.scan: compiles one layer for all, but encoder.{different} makes the "
            "layers differ; leave scan at False."
        )
    if encoder.attention == "cudnn" and (
        encoder.dtype != "bfloat16" or train.row_length % 128 or encoder.attention_dropout
    ):
        yield (
            "config.encoder.attention: cudnn needs encoder.dtype=bfloat16, a train.row_length "
            "that is a multiple of 128 and encoder.attention_dropout=0."
        )
    if encoder.attention == "fused" and (
        encoder.dtype != "bfloat16"
        or train.row_length % 64
        or encoder.width / encoder.heads not in (16, 32, 64, 128)
    ):
        yield (
            "config.encoder.attention: fused needs encoder.dtype=bfloat16, a train.row_length "
            "that is a multiple of 64 and encoder.width / encoder.heads of 16, 32, 64 or 128."
        )
    if train.row_length < data.max_length:
        yield (
            f"config.train.row_length: a row of {train.row_length} cannot hold a sentence of "
            f"data.max_length, {data.max_length}; set --config.train.row_length={data.max_length}."
        )
    if data.overlap > data.max_length // 2:
        yield (
            f"config.data.overlap: {data.overlap} is more than half of data.max_length, "
            f"{data.max_length}; set --config.data.overlap={data.max_length // 4}."
        )
    if train.batch_rows % train.accumulate:
        yield (
            f"config.train.accumulate: {train.accumulate} does not divide train.batch_rows, "
            f"{train.batch_rows}; set --config.train.accumulate="
            f"{_divisor(train.batch_rows, train.accumulate)}."
        )
    if train.batch_rows % max(data.shards, 1):
        yield (
            f"config.data.shards: {data.shards} shards do not divide train.batch_rows, "
            f"{train.batch_rows}, evenly."
        )
    if train.profile and train.profile[0] > train.steps and not config.phases:
        yield (
            f"config.train.profile: step {train.profile[0]} is after the last one, train.steps="
            f"{train.steps}; nothing would be traced."
        )
    yield from _bad_patterns(train.freeze, "config.train.freeze")
    for name, patterns in _FREEZES.items():
        if not getattr(train, name):
            yield (
                f"config.train.{name}: 0 computes gradients and then ignores them; freeze these "
                f"parameters instead: --config.train.freeze='{patterns}'."
            )
    yield from _contradictions_of_phases(config)
    check_names(train.tasks, config.tasks, "config.train.tasks")
    if not any(config.tasks[name].weight for name in config.active):
        yield "config.tasks: every task that trains has weight 0; nothing would be learned."
    if train.balance == "fixed" and train.balance_options:
        yield (
            "config.train.balance_options: train.balance=fixed has no options; fixed weights are "
            "tasks.NAME.weight, as in --config.tasks.ner.weight=2."
        )
    if train.balance_on == "features" and train.balance not in BALANCERS_BY_GRADIENT:
        yield (
            f"config.train.balance_on: train.balance={train.balance} uses the losses alone and "
            f"compares no gradients; leave it at 'parameters', or choose one of "
            f"{', '.join(BALANCERS_BY_GRADIENT)}."
        )
    if train.balance != "fixed" and train.accumulate > 1:
        yield (
            f"config.train.accumulate: train.balance={train.balance} compares the tasks on a whole "
            "batch; leave accumulate at 1, or lower train.batch_rows."
        )
    answered = {task.name for task in config.task_list}
    for name in train.score:
        if name in config.tasks and name not in answered:
            yield (
                f"config.train.score: '{name}' answers nothing that could be scored; leave it out."
            )
    check_names(train.score, answered or config.tasks, "config.train.score")
    if answered and not any(weight > 0 for weight in train.score.values()):
        yield "config.train.score: give at least one task a weight above 0, as in 'ner=1'."
    elif answered & config.trained and not any(train.score.get(n) for n in config.trained):
        yield (
            "config.train.score: names no task that trains; give one of "
            f"{', '.join(sorted(answered & config.trained))} a weight above 0."
        )
    check_names(
        [task for task, _ in config.distill.teachers if task],
        [task.name for task in config.task_list],
        "config.distill.teachers",
    )
    if encoder.init and config.init_from:
        yield "config.encoder.init: a run starts either from this or from init_from, not from both."
    if config.init_parts != "all" and not config.init_from:
        yield "config.init_parts: says what to take from init_from, but init_from is empty."
    if data.source != "newswire":
        needed = "name" if data.source == "tfds" else "train"
        for name, task_config in config.tasks.items():
            if name in answered and not getattr(task_config.data, needed):
                what = "a TFDS data set" if data.source == "tfds" else "a file"
                yield (
                    f"config.data.{name}.{needed}: data.source={data.source} needs {what} for "
                    f"task '{name}': --config.data.{name}.{needed}=..."
                )


def _divisor(number: int, near: int) -> int:
    """The divisor of a number that is nearest to another; the smaller of two.

    Of an absurdly large number, only divisors are tried that are small or very large.
    """
    small = [n for n in range(1, min(math.isqrt(number), _TRIED) + 1) if number % n == 0]
    return min({*small, *(number // n for n in small)}, key=lambda n: (abs(n - near), n))


def _contradictions_of_texts(config: Config) -> Iterator[str]:
    """Contradictions of what trains on texts without labels."""
    train, data = config.train, config.data
    names = [task.name for task in config.objectives if not task.needs_labels]
    for name in names:
        where = f"config.data.{name}"
        for split in ("train", "dev", "test"):
            if getattr(config.tasks[name].data, split):
                yield (
                    f"{where}.{split}: '{name}' reads texts without labels; name them with "
                    "--config.data.unlabelled=FILES."
                )
        if train.mlm and train.mlm != config.tasks[name].weight:
            yield (
                f"config.train.mlm: the config has the task '{name}' already; set its weight with "
                f"--config.tasks.{name}.weight={train.mlm:g} instead."
            )
        for field, why in (
            ("hidden", "its head has one layer of the encoder's width"),
            ("class_sampling", "it has no classes"),
            ("class_weights", "it has no classes"),
        ):
            if getattr(config.tasks[name], field):
                yield f"config.tasks.{name}.{field}: means nothing for '{name}', as {why}."
    if len(names) > 1:
        yield f"config.tasks: {' and '.join(names)} train on the same texts; leave out all but one."
    if names and data.source == "files" and not config.task_list and not data.unlabelled:
        yield (
            f"config.data.unlabelled: '{names[0]}' has no text to train on; name some with "
            "--config.data.unlabelled=FILES."
        )


def check_used(config: Config) -> None:
    """Checks that something trains on the texts of data.unlabelled.

    Raises:
      UserError: saying what to add.
    """
    if config.data.unlabelled and not config.reads_texts and not config.distill.teachers:
        raise UserError(
            "config.data.unlabelled: nothing in this config trains on texts without labels; add "
            "--config.train.mlm=0.5 to train on them too, or --config.distill.teachers=RUN to have "
            "them labeled, or leave out --config.data.unlabelled."
        )


def _contradictions_of_task(task: Objective, config: Config) -> Iterator[str]:
    task_config, train = config.tasks[task.name], config.train
    where = f"config.tasks.{task.name}"
    if task.labels:  # otherwise they are in the data, and are checked by `put_labels`
        for problem in task.problems():
            yield f"{where}.{problem}"
        check_names(task_config.class_weights, task.weight_names, f"{where}.class_weights")
        if isinstance(task_config.class_sampling, Mapping):
            check_names(task_config.class_sampling, task.labels, f"{where}.class_sampling")
    if isinstance(task_config.class_sampling, str) and task_config.class_sampling not in (
        "",
        "over",
        "under",
    ):
        yield (
            f"{where}.class_sampling: expected over, under or a factor per class as in "
            f"'{(task.labels or ('NAME',))[-1]}=2', got {task_config.class_sampling!r}."
        )
    if task_config.sampling and train.mixing != "explicit":
        yield (
            f"{where}.sampling: train.mixing={train.mixing} takes no shares; set "
            f"--config.train.mixing=explicit, or --{where}.sampling=0."
        )
    given = train.mixing == "explicit" and all(t.sampling for t in config.tasks.values())
    if task_config.sampling_cap and (train.mixing == "equal" or given):
        how = "every task's sampling gives" if given else "train.mixing=equal gives"
        yield (
            f"{where}.sampling_cap: has no effect because {how} the shares; set "
            f"--{where}.sampling_cap=0."
        )
    yield from _fields_of_other_kinds(task, config)
    yield from _contradictions_of_synthesis(task, config)


def _fields_of_other_kinds(task: Objective, config: Config) -> Iterator[str]:
    """Fields that are set and mean nothing for this kind of task."""
    section_of_task = config.tasks[task.name]
    groups: dict[str, TaskConfig | TaskDataConfig] = {
        "tasks": section_of_task,
        "data": section_of_task.data,
    }
    for section, name, form, kind in FIELDS_OF_KINDS:
        group, path = groups[section], f"{section}.{task.name}.{name}"
        value, default = getattr(group, name), type(group).__dataclass_fields__[name].default
        if value != default and form not in task.reads:
            yield (
                f"config.{path}: {value!r} means nothing for a task of kind {task.kind}, "
                f"only for one of kind {kind}; leave out --config.{path}, or set "
                f"--config.tasks.{task.name}.kind={kind}."
            )


def _contradictions_of_synthesis(task: Objective, config: Config) -> Iterator[str]:
    source = config.tasks[task.name].data
    where = f"config.data.{task.name}"
    check_names(source.synthetic_methods, SYNTHETIC_METHODS, f"{where}.synthetic_methods")
    if source.synthetic and not source.synthetic_methods:
        yield f"{where}.synthetic_methods: empty; name some of {', '.join(SYNTHETIC_METHODS)}."
    if source.synthetic and "offsets" not in task.reads:
        yield f"{where}.synthetic: makes sentences for entities, which {task.name} does not have."
    if source.gazetteer and not source.synthetic:
        yield f"{where}.gazetteer: has names for synthetic sentences; set {where}.synthetic too."
    if source.newswire and config.data.source == "newswire":
        yield f"{where}.newswire: data.source=newswire already uses that corpus."


def _contradictions_of_phases(config: Config) -> Iterator[str]:
    names: set[str] = set()
    for index, phase in enumerate(config.phases):
        where = f"config.phases[{index}]"
        if not phase.name or phase.name in names:
            yield f"{where}.name: {phase.name!r} is empty or used twice; each needs its own name."
        names.add(phase.name)
        if (phase.steps > 0) == (phase.epochs > 0):
            yield f"{where}: give it either steps or epochs above 0."
        check_names(phase.tasks, config.tasks, f"{where}.tasks")
        check_names(phase.weights, config.tasks, f"{where}.weights")
        active = phase.tasks or config.active
        if not any(phase.weights.get(name, config.tasks[name].weight) for name in active):
            yield f"{where}: all of its tasks have weight 0; nothing would be learned."
        for name in phase.weights:
            if name not in active:
                yield f"{where}.weights: {name!r} is not among its tasks, {', '.join(active)}."
        if not phase.trainable:
            yield f"{where}.trainable: empty; nothing would train. '.*' means everything."
        yield from _bad_patterns(phase.trainable, f"{where}.trainable")


def _bad_patterns(patterns: tuple[str, ...], where: str) -> Iterator[str]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{where}: {pattern!r} is not a regular expression: {error}."
