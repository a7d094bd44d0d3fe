"""The run directory: made, recognised, and written to in moves that a kill cannot cut in two."""

from pathlib import Path

from mtt_jax import config_files, saved_model
from mtt_jax.config import Config
from mtt_jax.errors import UserError


def open_run(run: Path, config: Config) -> dict | None:
    """Makes or recognises the run directory; returns metrics.json of a finished run.

    Raises:
      UserError: where the directory holds a run of another config, or other things.
    """
    file = run / "config.json"
    if run.exists() and not run.is_dir():
        raise UserError(f"--workdir: {run} is a file; name a directory.")
    if file.is_file():
        there = config_files.from_json(file.read_text(encoding="utf-8"), str(file))
        changed = config_files.differences(config, there)
        begun = (run / "checkpoints").is_dir() and any((run / "checkpoints").iterdir())
        if not begun:
            # It stopped before its first checkpoint, as on a mistake in the data: nothing to keep.
            (run / "data.json").unlink(missing_ok=True)
            write(file, config_files.to_json(config))
        elif changed:
            shown = "\n  ".join(changed[:8])
            raise UserError(
                f"--workdir: {run} holds a run with another config:\n  {shown}\n"
                "Name another directory with --workdir=..., or give the config of that run."
            )
        return saved_model.read_json(run / "metrics.json")
    if run.is_dir() and any(run.iterdir()):
        raise UserError(f"--workdir: {run} is not empty and holds no run; name a new directory.")
    try:
        run.mkdir(parents=True, exist_ok=True)
        write(file, config_files.to_json(config))
    except OSError as error:
        raise UserError(f"--workdir: cannot write to {run}: {error.strerror}.") from None
    return None


def write(path: Path, text: str) -> None:
    """Writes a file in one move, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
