"""XLA's flags in the tests and in the processes that they start."""

import os

_DEVICES = "--xla_force_host_platform_device_count"


def with_devices(count):
    """XLA_FLAGS of this process, with another number of devices on the CPU."""
    kept = [w for w in os.environ.get("XLA_FLAGS", "").split() if not w.startswith(_DEVICES)]
    return " ".join([*kept, f"{_DEVICES}={count}"])
