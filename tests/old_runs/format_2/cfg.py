from mtt_jax.config import default_config, phase
def get_config():
    c = default_config()
    c.data.source = "files"; c.data.cache_dir = "cache"; c.data.max_length = 32; c.data.overlap = 8
    c.data.topic.train = "news.jsonl"; c.data.topic.test = "news.jsonl"
    c.data.ner.train = "train.conll"; c.data.ner.dev = "test.conll"; c.data.ner.test = "test.conll"; c.data.ner.synthetic = 0.5; c.data.ner.synthetic_ways = "mention, case"
    c.tokenizer.vocab_size = 120; c.tasks.ner.scheme = "iob2"; c.tasks.ner.class_weights = "PER=2, O=0.5"
    c.encoder.update(layers=1, width=8, heads=2, feedforward=16, max_positions=32, pooling="cls", norm="post")
    c.train.update(steps=12, warmup=2, batch_rows=4, row_length=32, eval_every=6, save_every=6, log_every=1, keep=2, learning_rate=1e-2)
    c.mesh.data = 1
    return c
