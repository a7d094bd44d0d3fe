"""One shared transformer in JAX that answers several questions about a text at once."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from typing import Any

__version__ = "0.2.0.dev0"
__all__ = ["Predictor", "UserError", "__version__", "train"]

# Where modules that README and docs named until version 0.1 are now; this version warns, the next
# one no longer has the old names.
_MOVED = {
    "backend": "devices.startup",
    "build": "weights.build",
    "card": "report.card",
    "checkpoint": "train.checkpoint",
    "config_files": "config.files",
    "console": "report.console",
    "data.conll": "data.readers.conll",
    "data.files": "data.readers",
    "data.jsonl": "data.readers.jsonl",
    "data.records": "data.readers.records",
    "data.tables": "data.readers.tables",
    "data.tfds_source": "data.readers.tfds",
    "decide": "scoring.infer",
    "decode": "tasks.schemes",
    "distributed": "devices.processes",
    "evaluate": "scoring.evaluate",
    "losses": "train.losses",
    "metrics": "tasks.score",
    "predict.backends": "predict.engines",
    "pretrained": "weights.pretrained",
    "resolve": "config.resolve",
    "saved_model": "weights.saved_model",
    "sharding": "devices.mesh",
}


def __getattr__(name: str) -> Any:
    """Loads the public names on first use, so that `import mtt_jax` does not start JAX."""
    if name == "Predictor":
        return importlib.import_module("mtt_jax.predict.predictor").Predictor
    if name == "UserError":
        return importlib.import_module("mtt_jax.errors").UserError
    if name == "train":  # a package that can be called
        return importlib.import_module("mtt_jax.train")
    raise AttributeError(f"module 'mtt_jax' has no attribute {name!r}")


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module under the name that it had until version 0.1."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a module that has moved; None for any other."""
        if fullname.removeprefix("mtt_jax.") not in _MOVED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: Any) -> None:
        """Nothing: `exec_module` puts the module of the new name in place."""

    def exec_module(self, module: Any) -> None:
        """Makes the old name mean the module that has moved, and warns."""
        new = f"mtt_jax.{_MOVED[module.__name__.removeprefix('mtt_jax.')]}"
        warnings.warn(f"{module.__name__} is now {new}.", FutureWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


sys.meta_path.append(_Moved())
