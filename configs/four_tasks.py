"""All four kinds of tasks on one encoder: a topic, entities, subjects and parts of speech.

    python launch.py --config=configs/four_tasks.py --config.data.topic.train=news.jsonl \
        --config.data.subjects.train=news.jsonl --config.data.ner.train=news.jsonl \
        --config.data.pos.train=news.jsonl

The files may be different ones or, as here, one: a JSON object per line, with whichever labels a
sentence has. Which labels there are is taken from the training files. docs/tasks.md describes other
layouts.

    {"text": "Ann sold Acme.", "topic": "others", "subjects": ["business", "people"],
     "tokens": ["Ann", "sold", "Acme", "."], "ner": ["B-PER", "O", "B-ORG", "O"],
     "pos": ["PROPN", "VERB", "PROPN", "PUNCT"]}
"""

from mtt_jax.config import TaskConfig, default_config


def get_config():
    config = default_config(
        {
            "topic": TaskConfig(kind="classes"),
            "subjects": TaskConfig(kind="multilabel"),
            "ner": TaskConfig(kind="entities", scheme="iob2"),
            "pos": TaskConfig(kind="tags"),
        }
    )
    config.data.source = "files"
    for name in config.tasks:
        config.data[name].label = name
    config.encoder.positions = "rotary"
    config.tokenizer.vocab_size = 2000
    config.train.steps = 600
    return config
