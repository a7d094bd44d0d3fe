"""Both tasks from TFDS: topics from ag_news_subset, entities from conll2003. Needs a network.

    python launch.py --config=configs/news_tfds.py

The same model and schedule as in configs/ag_news.py, so it takes about as long.
"""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.data.source = "tfds"
    config.data.topic.name = "ag_news_subset"
    config.data.topic.text = "title,description"
    config.data.topic.test = "test"
    config.data.topic.label_map = "World=politics, Sports=sports, Business=others, Sci/Tech=others"
    config.data.ner.name = "conll2003"
    config.data.ner.dev = "dev"
    config.data.ner.test = "test"
    config.tasks.ner.scheme = "iob2"
    config.train.mixing = "explicit"
    config.tasks.topic.sampling = 1.0
    config.tasks.ner.sampling = 2.0
    config.encoder.positions = "rotary"
    config.encoder.width = 192
    config.encoder.heads = 6
    config.encoder.feedforward = 768
    config.encoder.dropout = 0.2
    config.train.steps = 1600
    return config
