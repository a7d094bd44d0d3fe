import runpy
from mtt_jax.config import phase
def get_config():
    c = runpy.run_path("cfg.py")["get_config"]()
    c.phases = (phase("both", steps=4, warmup=1, weights="topic=1, ner=3"), phase("ner", steps=36, warmup=1, tasks=("ner",)))
    return c
