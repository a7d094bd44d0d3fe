"""Both tasks from TFDS: topics from ag_news_subset, entities from conll2003. Needs a network.

    python launch.py --config=configs/news_tfds.py

The same model and schedule as in configs/ag_news.py, so it takes about as long.
"""

from mtt_jax.config import base_config


def get_config():
    config = base_config("news_files")
    config.data.source = "tfds"
    config.data.topic.name = "ag_news_subset"
    config.data.topic.text = "title,description"
    config.data.topic.test = "test"
    config.data.topic.label_map = "World=politics, Sports=sports, Business=others, Sci/Tech=others"
    config.tasks.topic.labels = ("sports", "politics", "others")
    config.data.ner.name = "conll2003"
    config.data.ner.dev = "dev"
    config.data.ner.test = "test"
    config.tasks.ner.labels = ("O", "PER", "ORG", "LOC", "MISC")
    return config
