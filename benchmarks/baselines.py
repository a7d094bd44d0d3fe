"""What simple models reach on the data of a config, beside a finished run of it.

    python benchmarks/baselines.py --config=configs/balanced.py --run=runs/balanced

Topics: TF-IDF of words and word pairs with logistic regression. Entities: a gazetteer of the
training entities, longest match first, each with its most frequent type; and a linear-chain CRF
on words, shapes, affixes and neighbours (needs requirements-peers.txt). All are trained on the
training split alone and scored on test. The last line is JSON.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtt_jax.config.files import load_file, override
from mtt_jax.data.prepare import read_records
from mtt_jax.scoring.metrics import Classification, Entities
from mtt_jax.tasks.schemes import spans_to_tags, tags_to_spans
from mtt_jax.types import Span
from mtt_jax.weights import saved_model


def words_of(record):
    return [record.text[start:end] for start, end in record.words]


def bag_of_words(task, train, test):
    """Accuracy and macro F1 of TF-IDF + logistic regression."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        LogisticRegression(C=10, max_iter=2000),
    )
    model.fit([r.text for r in train], [r.labels[task.name] for r in train])
    gold = [task.labels.index(r.labels[task.name]) for r in test]
    found = [task.labels.index(label) for label in model.predict([r.text for r in test])]
    scores = Classification.compute(
        Classification.count(gold, found, len(task.labels)), task.labels
    )
    return {name: scores[name] for name in ("accuracy", "macro_f1")}


def gazetteer(task, train, test):
    """Strict F1 of looking up the training entities."""
    types: dict[tuple[str, ...], Counter] = {}
    for record in train:
        words = words_of(record)
        for start, end, label in record.spans[task.name]:
            types.setdefault(tuple(words[start:end]), Counter())[label] += 1
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

    return entity_scores(task, test, [find(words_of(record)) for record in test])


def crf(task, train, test):
    """Strict F1 of a linear-chain CRF; None where sklearn-crfsuite is missing."""
    try:
        from sklearn_crfsuite import CRF
    except ImportError:
        print("no CRF: pip install -r requirements-peers.txt", file=sys.stderr)
        return None
    model = CRF(algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=100)
    model.fit(
        [features(words_of(r)) for r in train],
        [spans_to_tags(r.spans[task.name], len(r.words), "iob2") for r in train],
    )
    found = model.predict([features(words_of(r)) for r in test])
    return entity_scores(task, test, [tags_to_spans(tags, "iob2") for tags in found])


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
    """'Xx', 'X', 'x', '9' ...: kinds of characters, runs of one kind written once."""
    kinds = [
        "X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word
    ]
    return "".join(kind for last, kind in zip(["", *kinds], kinds, strict=False) if kind != last)


def entity_scores(task, test, found):
    counts = Entities.empty()
    for record, spans in zip(test, found, strict=True):
        gold = record.spans[task.name]
        counts = Entities.merge(counts, Entities.count(gold, spans, "iob2", len(record.words)))
    scores = Entities.compute(counts, task)
    return {name: scores[name] for name in ("precision", "recall", "f1")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--run", help="a finished run whose test scores to put beside them")
    options, overrides = parser.parse_known_args()
    config = override(load_file(options.config), [flag.partition("=")[::2] for flag in overrides])
    records, _ = read_records(config)
    result = {}
    for task in config.task_list:
        held = "labels" if task.kind == "sentence" else "spans"
        train, test = (
            [r for r in records[split] if task.name in getattr(r, held)]
            for split in ("train", "test")
        )
        models = (
            {"tfidf_logistic_regression": bag_of_words}
            if task.kind == "sentence"
            else {"gazetteer": gazetteer, "crf": crf}
        )
        result[task.name] = {"train": len(train), "test": len(test)}
        for name, model in models.items():
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


if __name__ == "__main__":
    main()
