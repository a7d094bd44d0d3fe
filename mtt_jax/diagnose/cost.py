"""What each choice costs: parameters, seconds of training, seconds to predict dev."""

import time
from statistics import median

from mtt_jax.diagnose.arms import alone
from mtt_jax.diagnose.runs import (
    Study,
    dev_tallies,
    folder_of,
    forward_of,
    read_tallies,
    tallies_file,
)
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import count_parameters

_ROUNDS = 5


def cost_of(study: Study) -> dict[str, dict[str, float]]:
    """Choice ("joint", "separate" or an arm) -> parameters, training_seconds, dev_seconds."""
    apart = {alone(task.name): task.name for task in study.tasks}
    dev = study.data.splits["dev"]
    models = {arm: saved_model.load(folder_of(study, arm, 0)) for arm in ("joint", *apart)}
    forward = forward_of(models["joint"])
    seconds: dict[str, list[float]] = {arm: [] for arm in models}
    for round_ in range(_ROUNDS + 1):
        for arm, model in models.items():
            start = time.perf_counter()
            dev_tallies(forward, model, dev)
            if round_:  # the first one compiles
                seconds[arm].append(time.perf_counter() - start)
    trained = {
        arm: median(
            read_tallies(tallies_file(study, arm, seed))[0]["seconds"]
            for seed in range(study.seeds)
        )
        for arm in study.arms
    }
    shared = models["joint"].params
    separate = sum(
        count_parameters(shared["encoder"]) + count_parameters(shared["heads"][task])
        for task in apart.values()
    )
    cost = {
        "joint": {
            "parameters": count_parameters(shared),
            "training_seconds": trained["joint"],
            "dev_seconds": median(seconds["joint"]),
        },
        "separate": {
            "parameters": separate,
            "training_seconds": sum(trained[arm] for arm in apart),
            "dev_seconds": sum(median(seconds[arm]) for arm in apart),
        },
    }
    for arm in study.variants:
        cost[arm] = {**cost["joint"], "training_seconds": trained[arm]}
    return cost
