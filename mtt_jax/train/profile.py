"""A trace of some steps, for TensorBoard and Perfetto."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax


class Trace:
    """Traces the steps of `train.profile` into RUN/profile; none if it is empty.

        with Trace(run, range(10, 21)) as trace:
            for done in range(1, 100):
                with trace.step(done):
                    state = step(state)
                trace.after(done, state)

    The trace starts before the first step of the range, or before the first remaining one if the
    run is resumed within it. It ends after the last one or with the block, however that ends.
    """

    def __init__(self, run: Path, steps: range):
        self._folder, self._steps = run / "profile", steps
        self._running = False

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *_) -> None:
        self._stop()

    def step(self, number: int) -> AbstractContextManager:
        """The context to run a step in; `number` counts from 1."""
        if number not in self._steps:
            return nullcontext()
        if not self._running:
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # a step is one call; its lines would fill gigabytes
            jax.profiler.start_trace(
                self._folder, create_perfetto_trace=True, profiler_options=options
            )
            self._running = True
        return jax.profiler.StepTraceAnnotation("train", step_num=number)

    def after(self, number: int, state: Any) -> None:
        """Ends the trace after its last step, once the devices have finished it."""
        if self._running and number == self._steps[-1]:
            jax.block_until_ready(state)
            self._stop()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
