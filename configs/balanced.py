"""Both tasks on the embedded corpus, the scarce one sampled up."""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.tasks.ner.sampling = 1.0
    config.tasks.topic.sampling = 3.0
    return config
