"""Fresh processes: each case of a benchmark by itself, and the text files that all of them read."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtt_jax.data.newswire.grammar import generate

TOPICS = {"politics": "1", "sports": "2", "others": "3"}


def answer(script, case, environment=None):
    """What a script prints last for a case, in a process of its own, read as JSON."""
    done = subprocess.run(
        [sys.executable, script, "--case", json.dumps(case)],
        env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def write_corpus(folder, count):
    """Generated sentences in topic.csv and ner.conll, laid out as configs/pretrained.py reads."""
    sentences = list(generate("train", 2 * count))
    with (folder / "topic.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(TOPICS[s.topic], "", s.text) for s in sentences[:count]]
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    blocks = ["\n".join(_tagged(sentence)) for sentence in sentences[count:]]
    (folder / "ner.conll").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _tagged(sentence):
    """Yields `word TAG` lines; words are what blanks divide."""
    place = 0
    for word in sentence.text.split(" "):
        inside = [e for e in sentence.entities if e.start < place + len(word) and place < e.end]
        tag = "O"
        if inside:
            tag = ("B-" if place <= inside[0].start else "I-") + inside[0].label
        yield f"{word} {tag}"
        place += len(word) + 1
