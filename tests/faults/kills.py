"""SIGKILL at every file operation of a run, and at random moments; then the run is finished.

After each kill, the newest checkpoint that is there is whole and the one that a run never stopped
had at that step; and the run, started again, ends as that run did, bit for bit.
"""

import functools
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from tests.faults.runs import Starter, differences, same_step, saved_steps, write_data


class Field:
    """Where runs are killed: their data, a run never stopped, and the processes that start runs.

    Attributes:
      steps: as `saved_steps` returns them, of the run never stopped.
    """

    def __init__(self, folder, workers=2):
        """Runs the run that is never stopped, which keeps all its checkpoints."""
        self.folder = folder
        self._flags = write_data(folder)
        self._starters = SimpleQueue()
        self._all = [Starter(folder) for _ in range(workers)]
        for starter in self._all:
            self._starters.put(starter)
        self._workers = workers
        self._finished(self._all[0], "whole", "--config.train.keep=10")
        self.steps = saved_steps(folder / "whole")

    @property
    def operations(self):
        """Of a run that is not stopped, in order, such as "rename metrics.json"."""
        return self._listed[0]

    @property
    def seconds(self):
        """What a run takes that compiles nothing, as those that are killed."""
        return self._listed[1]

    @functools.cached_property
    def _listed(self):
        log, begun = self.folder / "listed.log", time.monotonic()
        self._finished(self._all[0], "listed", log=str(log))
        seconds = time.monotonic() - begun
        return [line.partition(" ")[2] for line in log.read_text().splitlines()], seconds

    def _argv(self, name):
        return [
            "train", *self._flags, f"--workdir={self.folder / name}",
            f"--config.data.cache_dir={self.folder / f'{name}-cache'}",
        ]  # fmt: skip

    def _finished(self, starter, name, *flags, **hook):
        below = [str(self.folder / name), str(self.folder / f"{name}-cache")]
        status, said = starter([*self._argv(name), *flags], hook={"below": below, **hook})
        assert status == 0, said

    def killed(self, name, **how):
        """Kills a run and finishes it.

        Args:
          name: of the run.
          how: `index` or `matching`, and `after`, of an operation; or `moments`, in seconds.

        Returns:
          (how many kills hit a running process, what went wrong; "" for nothing).
        """
        starter = self._starters.get()
        try:
            return self._killed(starter, name, **how)
        finally:
            self._starters.put(starter)
            for folder in (name, f"{name}-cache"):
                shutil.rmtree(self.folder / folder, ignore_errors=True)

    def _killed(self, starter, name, moments=(), **how):
        kills = 0
        for start in moments or [None]:
            hook = None
            if start is None:
                below = [str(self.folder / name), str(self.folder / f"{name}-cache")]
                hook = {"below": below, **how}
            status, said = starter(self._argv(name), hook=hook, kill_after=start)
            if status not in (0, -9):
                return kills, f"exit {status}: {said[-500:]}"
            kills += status == -9
            if status == 0:
                break
            found = _newest(self.folder / name)
            if found and not same_step(found[1], self.steps[found[0]]):
                return kills, f"checkpoint {found[0]} is not what it was"
        status, said = starter(self._argv(name))
        if status:
            return kills, f"the second start: exit {status}: {said[-500:]}"
        return kills, ", ".join(differences(self.folder / name, self.folder / "whole"))

    def signalled(self, name, number, matching):
        """Signals a run at an operation, and finishes it.

        Args:
          name: of the run.
          number: of the signal.
          matching: the operation as it is listed, * for any text; the signal comes at each.

        Returns:
          (exit status, what it printed, what went wrong; "" for nothing).
        """
        starter = self._all[0]
        below = [str(self.folder / name)]
        hook = {"below": below, "matching": matching, "number": number}
        status, said = starter(self._argv(name), hook=hook)
        again, printed = starter(self._argv(name))
        problem = f"the second start: exit {again}: {printed[-500:]}" if again else ""
        whole = self.folder / "whole"
        problem = problem or ", ".join(differences(self.folder / name, whole))
        return status, said, problem

    def sweep(self, tries, tell=lambda name, found: None):
        """Runs `killed` for {name: how} on all workers; returns {name: its result}.

        Args:
          tries: what to do.
          tell: called with a name and its result as soon as it is there.
        """

        def tried(item):
            found = self.killed(item[0], **item[1])
            tell(item[0], found)
            return found

        with ThreadPoolExecutor(self._workers) as pool:
            return dict(zip(tries, pool.map(tried, tries.items()), strict=True))

    def close(self):
        """Ends the processes that start runs."""
        for starter in self._all:
            starter.close()


def at_operations(chosen):
    """What `Field.sweep` takes, for kills before and after operations with these indices."""
    return {
        f"{when}-{index}": {"index": index, "after": when == "after"}
        for index in chosen
        for when in ("before", "after")
    }


def at_random(count, seconds, seed=0):
    """What `Field.sweep` takes, for runs that are killed thrice, at random moments each time.

    Args:
      count: kills.
      seconds: that a run takes.
      seed: of the moments.
    """
    moments = random.Random(seed)
    return {
        f"random-{index}": {"moments": [moments.uniform(0, seconds) for _ in range(3)]}
        for index in range((count + 2) // 3)
    }


def _newest(run):
    """(step, content) of the newest checkpoint; None if there is none."""
    found = saved_steps(run, newest=True)
    return max(found.items(), default=None, key=lambda item: item[0])
