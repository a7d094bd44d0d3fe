"""What a change of a config gives: scores on dev and test over several seeds, with intervals.

    python benchmarks/ablation.py --config=configs/balanced.py --out=runs/ablation \
        --arm="as shipped" \
        --arm="average: --config.train.ema=0.99" \
        --arm="longer: --config.train.steps=960"

Every arm is the config with the flags after its name, trained by launch.py once per seed; flags
after `--` go to all arms. In the flags, {seed} is the seed and {out} the folder of --out, so that
an arm can be taught by an earlier one: --config.distill.teachers={out}/as_shipped/{seed}. Finished
runs are kept in --out, so that the same command resumes and a further arm costs only its own runs.
An interval is Student's t over the seeds, 95%; a difference is paired by seed, from the first arm.
Choose by dev; test is for the arm that was chosen. The last line is JSON.
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ("dev", "test")


def main():
    options = parse()
    found = {}
    for name, flags in options.arms.items():
        runs = [one_run(options, name, flags, seed) for seed in options.seeds]
        found[name] = {
            "seconds": float(np.mean([run["seconds"] for run in runs])),
            **{split: by_figure(runs, split) for split in SPLITS},
        }
    result = {name: described(arm, found[options.first]) for name, arm in found.items()}
    print("\n".join(table(result)))
    print(json.dumps({"config": options.config, "seeds": options.seeds, "arms": result}))


def one_run(options, name, flags, seed):
    """metrics.json of an arm's run with one seed, trained unless it is there."""
    folder = options.out / name.replace(" ", "_") / str(seed)
    if not (folder / "metrics.json").is_file():
        command = [
            sys.executable, str(ROOT / "launch.py"), f"--config={options.config}",
            f"--workdir={folder}", f"--config.seed={seed}",
            *(
                flag.replace("{seed}", str(seed)).replace("{out}", str(options.out))
                for flag in (*options.common, *flags)
            ),
        ]  # fmt: skip
        print(f"{name}, seed {seed}: {shlex.join(flags) or 'no flags'}", file=sys.stderr)
        ended = subprocess.run(command, stdout=subprocess.DEVNULL)
        if ended.returncode:
            sys.exit(f"{name}, seed {seed}: {shlex.join(command)} ended with {ended.returncode}")
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def by_figure(runs, split):
    """Figure such as "ner f1" -> its value for each seed."""
    figures = {}
    for run in runs:
        for task, score in run.get(split, {}).items():
            for figure in score["titles"] if isinstance(score, dict) and "titles" in score else ():
                figures.setdefault(f"{task} {figure}", []).append(score[figure])
            if isinstance(score, dict) and score.get("calibration"):
                figures.setdefault(f"{task} ece", []).append(score["calibration"]["ece"])
    return figures


def described(arm, first):
    """Split -> figure -> mean, interval, values and difference from the first arm."""
    result = {"seconds": arm["seconds"]}
    for split in SPLITS:
        result[split] = {}
        for figure, values in arm[split].items():
            others = first[split].get(figure, ())
            one = {"mean": float(np.mean(values)), "half": half(values), "values": values}
            if arm is not first and len(others) == len(values):
                gained = np.subtract(values, others)
                one["change"] = {"mean": float(gained.mean()), "half": half(gained)}
            result[split][figure] = one
    return result


def half(values):
    """Half the width of a 95% interval of the mean, by Student's t; None for one value."""
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)


def table(result):
    """Lines of a Markdown table per split, an arm per row."""
    for split in SPLITS:
        figures = list(dict.fromkeys(f for arm in result.values() for f in arm[split]))
        if not figures:
            continue
        yield ""
        yield f"| {split} | {' | '.join(figures)} | seconds |"
        yield f"|---{'|---' * (len(figures) + 1)}|"
        for name, arm in result.items():
            cells = [shown(arm[split].get(figure)) for figure in figures]
            yield f"| {name} | {' | '.join(cells)} | {arm['seconds']:.0f} |"
    yield ""


def shown(one):
    """A figure with its interval, and its difference from the first arm."""
    if one is None:
        return ""
    text = f"{one['mean']:.3f}{margin(one['half'])}"
    change = one.get("change")
    return text if change is None else f"{text} ({change['mean']:+.3f}{margin(change['half'])})"


def margin(value):
    """Half an interval as ± and a number; "" for none."""
    return "" if value is None else f" ± {value:.3f}"


def parse():
    arguments = sys.argv[1:]
    common = []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, common = arguments[:place], arguments[place + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="file of the config")
    parser.add_argument("--arm", required=True, action="append", help="'NAME: FLAGS'")
    parser.add_argument("--seeds", default=[0, 1, 2], type=int, nargs="+")
    parser.add_argument("--out", default=ROOT / "runs" / "ablation", type=Path)
    options = parser.parse_args(arguments)
    pairs = [arm.partition(":") for arm in options.arm]
    options.arms = {name.strip(): shlex.split(flags) for name, _, flags in pairs}
    if len(options.arms) < len(pairs):
        parser.error("--arm: two arms have the same name")
    options.first, options.common = next(iter(options.arms)), common
    return options


if __name__ == "__main__":
    main()
