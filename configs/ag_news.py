"""Topics from the CSV files of AG News and entities from CoNLL columns, from scratch.

    python launch.py --config=configs/ag_news.py \
        --config.data.topic.train=ag_news/train.csv --config.data.topic.test=ag_news/test.csv \
        --config.data.ner.train=train.conll --config.data.ner.dev=dev.conll \
        --config.data.ner.test=test.conll

For three topics instead of the four of AG News, as in the embedded corpus, add

    --config.tasks.topic.labels=sports,politics,others \
    --config.data.topic.label_map='1=politics, 2=sports, 3=others, 4=others'

With these three topics, AG News (8,106 sentences) and WikiNEuRal (10,000): 21 minutes on one core
with --config.encoder.dtype=bfloat16. Test, three seeds: topic accuracy 0.925, strict entity F1
0.766; docs/data.md compares it with simple models.
"""

from mtt_jax.config import base_config


def get_config():
    config = base_config("news_files")
    # Rows are "3","title","description".
    config.data.topic.text = "2,3"
    config.data.topic.label = "1"
    config.data.topic.label_map = "1=World, 2=Sports, 3=Business, 4=Sci/Tech"
    config.tasks.topic.labels = ("World", "Sports", "Business", "Sci/Tech")
    return config
