"""Both tasks on the embedded corpus; two of five training sentences are of the scarce one.

    python launch.py --config=configs/balanced.py

Two cores: 5 minutes. Test: topic accuracy 0.997, strict entity F1 0.956. For comparison, a bag of
words with logistic regression reaches 0.79 on topics, and a linear-chain CRF with hand-written
features F1 0.95.
"""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.train.mixing = "explicit"
    config.tasks.topic.sampling = 3.0
    config.tasks.ner.sampling = 2.0
    # A small vocabulary splits names into pieces, so that the model learns to use their context
    # instead of memorizing them.
    config.tokenizer.vocab_size = 2000
    config.tasks.ner.scheme = "iob2"
    config.encoder.positions = "rotary"
    config.encoder.dropout = 0.2
    config.encoder.word_dropout = 0.4
    config.train.learning_rate = 2e-3
    config.train.steps = 900
    config.train.eval_every = 150
    return config
