"""Runs at the start of a Python process with this folder in PYTHONPATH: installs the hook."""

import importlib.util
import json
import os
from pathlib import Path

if "MTT_TEST_FAULT" in os.environ:
    spec = importlib.util.spec_from_file_location("hook", Path(__file__).parents[1] / "hook.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    options = json.loads(os.environ["MTT_TEST_FAULT"])
    if "module" in options:
        hook.signal_at_import(options["module"], options["number"])
    else:
        hook.install(**options)
