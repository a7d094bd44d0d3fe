"""What simple models reach on the data of a config, next to a finished run of it.

    python benchmarks/baselines.py --config=configs/balanced.py --run=runs/balanced

Tasks per sentence: TF-IDF of words and word pairs with logistic regression. Entities: a gazetteer
of the training entities, longest match first, each with its most frequent type; and a linear-chain
CRF on words, shapes, affixes and neighbors (needs requirements-peers.txt). All are trained on the
training split alone and scored on test. The last line is JSON.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.corpora import labelled, reading_of
from mtt_jax.config.files import load_config, split_overrides
from mtt_jax.data.prepare import with_labels
from mtt_jax.data.sources import read_records
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import spans_to_tags, tags_to_spans
from mtt_jax.types import Span
from mtt_jax.weights import saved_model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="a file, or a name; override its fields")
    parser.add_argument("--run", help="a finished run whose test scores to print as well")
    overrides, rest = split_overrides(sys.argv[1:])
    options = parser.parse_args(rest)
    try:
        config = with_labels(load_config(options.config, overrides))
        records, _ = read_records(config)
    except UserError as error:
        sys.exit(f"error: {error}")
    result = {}
    for task in config.task_list:
        train, test = (labelled(records[split], task.name) for split in ("train", "test"))
        result[task.name] = {"train": len(train), "test": len(test)}
        for name, model in models_for(task).items():
            start = time.perf_counter()
            scores = model(task, train, test)
            if scores:
                result[task.name][name] = scores
                shown = ", ".join(f"{key} {value:.4f}" for key, value in scores.items())
                print(f"{task.name}: {name}: {shown} ({time.perf_counter() - start:.0f} s)")
    if options.run:
        final = saved_model.read_json(Path(options.run) / "metrics.json")
        for name, scores in final["test"].items():
            kept = {k: v for k, v in scores.items() if isinstance(v, float) and k != "loss"}
            result[name]["mtt_jax"] = kept
            print(f"{name}: mtt_jax: {', '.join(f'{k} {v:.4f}' for k, v in kept.items())}")
    print(json.dumps(result))


def models_for(task):
    """Name -> function(task, train, test) -> scores, for what a task's labels are."""
    if task.unit == "sentence":
        return {"tfidf_logistic_regression": bag_of_words}
    if "offsets" in task.reads:
        return {"gazetteer": gazetteer, "crf": crf}
    print(f"{task.name}: no baseline for one class per word", file=sys.stderr)
    return {}


def bag_of_words(task, train, test):
    """Scores of TF-IDF + logistic regression, one regression per class for a set of classes."""
    regression = LogisticRegression(C=10, max_iter=2000)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        OneVsRestClassifier(regression) if task.target_shape else regression,
    )
    model.fit([reading_of(r).text for r in train], np.array(gold_of(task, train)))
    found = model.predict([reading_of(r).text for r in test])
    return score_of(task, test, found if not task.target_shape else found > 0.5)


def gazetteer(task, train, test):
    """Scores of looking up the training entities."""
    types: dict[tuple[str, ...], Counter] = {}
    for record, gold in zip(train, gold_of(task, train), strict=True):
        words = reading_of(record).words
        for start, end, kind in gold.spans:
            types.setdefault(tuple(words[start:end]), Counter())[task.entity_types[kind]] += 1
    longest = max(map(len, types), default=0)

    def find(words):
        spans, begin = [], 0
        while begin < len(words):
            for size in range(min(longest, len(words) - begin), 0, -1):
                known = types.get(tuple(words[begin : begin + size]))
                if known:
                    spans.append(Span(begin, begin + size, known.most_common(1)[0][0]))
                    break
            else:
                size = 1
            begin += size
        return spans

    return score_of(task, test, [find(reading_of(record).words) for record in test])


def crf(task, train, test):
    """Scores of a linear-chain CRF; None if sklearn-crfsuite is missing."""
    try:
        from sklearn_crfsuite import CRF
    except ImportError:
        print("no CRF: pip install -r requirements-peers.txt", file=sys.stderr)
        return None
    model = CRF(algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=100)
    model.fit(
        [features(reading_of(record).words) for record in train],
        [
            tags_of(task, record, gold)
            for record, gold in zip(train, gold_of(task, train), strict=True)
        ],
    )
    found = model.predict([features(reading_of(record).words) for record in test])
    return score_of(task, test, [tags_to_spans(tags, "iob2") for tags in found])


def features(words):
    """What the CRF sees of each word."""
    own = [
        {
            "word": word.lower(),
            "prefix": word[:3].lower(),
            "suffix": word[-3:].lower(),
            "shape": shape(word),
        }
        for word in words
    ]
    rows = []
    for index, word in enumerate(own):
        row = {f"0:{name}": value for name, value in word.items()}
        for offset in (-2, -1, 1, 2):
            near = own[index + offset] if 0 <= index + offset < len(own) else None
            row[f"{offset}:word"] = near["word"] if near else "<edge>"
            row[f"{offset}:shape"] = near["shape"] if near else ""
        rows.append(row)
    return rows


def shape(word):
    """'Xx', 'X', 'x', '9' ...: the classes of a word's characters, runs collapsed."""
    classes = [
        "X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word
    ]
    pairs = zip(["", *classes], classes, strict=False)
    return "".join(here for before, here in pairs if here != before)


def tags_of(task, record, gold):
    """IOB2 tags of a record's words."""
    spans = [Span(start, end, task.entity_types[kind]) for start, end, kind in gold.spans.tolist()]
    return spans_to_tags(spans, len(reading_of(record).words), "iob2")


def gold_of(task, records):
    """The label of each record by class id."""
    labels = [record.labels[task.name] for record in records]
    arrays = task.encode(labels, [reading_of(record).places for record in records])
    return [task.example(arrays, index) for index in range(len(records))]


def score_of(task, records, answers):
    """Name -> figure of the answers to some records."""
    counts = Counter()
    for record, gold, answer in zip(records, gold_of(task, records), answers, strict=True):
        counts.update(task.count(gold, answer, reading_of(record).places))
    return {figure.name: figure.value for figure in task.score(counts, 0.0).figures}


if __name__ == "__main__":
    main()
