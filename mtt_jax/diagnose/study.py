"""The diagnosis: every arm trained with several seeds, compared on dev, and written down.

    OUT/diagnose.json      the config that is diagnosed; data.json describes its data
    OUT/runs/ARM-SEED/     each run, as launch.py leaves it
    OUT/outcomes/*.npz     what each run got right on dev, sentence by sentence
    OUT/gradients.json     the tasks' gradients during the first joint run
    OUT/report.json        figures and verdicts
    OUT/report.html        the same as a page that opens offline

What exists already is not repeated. No decision looks at the test split.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtt_jax.atomic import write
from mtt_jax.config import files as config_files
from mtt_jax.config.schema import Config
from mtt_jax.devices.mesh import describe_devices
from mtt_jax.diagnose.compare import (
    differences_of,
    gradients_of,
    scores_of,
    titles_of,
    verdicts_of,
)
from mtt_jax.diagnose.cost import cost_of
from mtt_jax.diagnose.page import render
from mtt_jax.diagnose.runs import Study, prepare_study, run_arms
from mtt_jax.diagnose.show import show
from mtt_jax.report.console import Console
from mtt_jax.train.lock import locked
from mtt_jax.untrusted.folder import user_path


def diagnose(
    config: Config, out: str | Path, seeds: int, balancers: Sequence[str], console: Console
) -> dict[str, Any]:
    """Trains what does not exist yet, compares, and returns the content of report.json.

    Args:
      config: of the run to decide on.
      out: the folder to create, or to resume.
      seeds: runs per arm; at least 2.
      balancers: values of train.balance to compare with plain joint training.
      console: where the user sees progress.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after SIGTERM or Ctrl-C, once everything is saved.
    """
    folder = user_path(out)
    with locked(folder, "--out"):
        return _diagnose(prepare_study(config, folder, seeds, tuple(balancers), console))


def _diagnose(study: Study) -> dict[str, Any]:
    seeds = study.seeds
    tallies = run_arms(study)
    scores = scores_of(study, tallies)
    differences = differences_of(study, tallies)
    cost = cost_of(study)
    verdicts = verdicts_of(study, differences, cost)
    report = {
        "config": config_files.to_plain(study.config),
        "device": describe_devices(),
        "seeds": seeds,
        "dev_sentences": study.data.splits["dev"].counts(),
        "steps": {arm: c.train.steps for arm, c in study.arms.items()},
        "titles": titles_of(study),
        "scores": scores,
        "differences": {
            name: {task: change._asdict() for task, change in changes.items()}
            for name, changes in differences.items()
        },
        "cost": cost,
        "gradients": gradients_of(study),
        "verdicts": {question: verdict._asdict() for question, verdict in verdicts.items()},
    }
    write(study.out / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    write(study.out / "report.html", render(study.out.name, report))
    show(study, report)
    return report
