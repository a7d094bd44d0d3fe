"""`python -m mtt_jax COMMAND`, which is the same as `mtt COMMAND`: where the process starts."""

import os
import signal
import threading

if threading.current_thread() is threading.main_thread():
    # Before the other imports, so that Ctrl-C during them shows no traceback.
    def _end(number, frame):
        os.write(2, b"stopped.\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, _end)

from mtt_jax.errors import installed

with installed():
    from mtt_jax.cli import entry

if __name__ == "__main__":
    entry()
