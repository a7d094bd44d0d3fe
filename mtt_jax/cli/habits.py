"""Flags of other tools, typed from habit, and what they are called here.

A flag is compared without its dashes, in lower case and with underscores. Each row is data: what to
say about `--lr` is in one place for `mtt train`, `launch.py` and `mtt diagnose`.
"""

from mtt_jax.config.schema import SECTIONS, TOP, TaskConfig, TaskDataConfig, options_of
from mtt_jax.errors import did_you_mean

_DEVICE = (
    "JAX takes the GPU or TPU that it finds; to choose one, write JAX_PLATFORMS=cuda or "
    "JAX_PLATFORMS=cpu in front of the command"
)
_GPUS = "all devices are used; --config.mesh.data=N uses N of them"
_FILES = "--config.data.source=files --config.data.TASK.{}=FILE, as in --config.data.ner.{}=FILE"

# Field of the config -> the names that other tools give it.
_FIELDS = {
    "train.steps": ("max_steps", "num_steps", "iterations", "max_iter", "n_iter", "train_steps"),
    "train.batch_rows": (
        "batch_size", "bs", "b", "batch", "per_device_train_batch_size", "train_batch_size",
        "per_gpu_train_batch_size", "mini_batch_size", "per_device_eval_batch_size",
    ),
    "train.learning_rate": ("lr", "peak_lr", "max_lr"),
    "train.warmup": ("warmup_steps", "num_warmup_steps", "warmup_ratio"),
    "train.schedule": ("lr_scheduler_type", "lr_scheduler", "scheduler"),
    "train.weight_decay": ("wd",),
    "train.clip": ("max_grad_norm", "grad_clip", "gradient_clip_val", "clip_grad_norm"),
    "train.accumulate": (
        "gradient_accumulation_steps", "accumulate_grad_batches", "grad_accum", "accumulation",
    ),
    "train.patience": ("early_stopping", "early_stopping_patience", "early_stop"),
    "train.ema": ("ema_decay", "model_ema", "use_ema"),
    "train.eval_every": ("eval_steps", "eval_interval", "evaluation_steps", "val_check_interval"),
    "train.save_every": ("save_steps", "save_interval", "checkpoint_every"),
    "train.log_every": ("logging_steps", "log_interval", "log_steps"),
    "train.keep": ("save_total_limit",),
    "data.max_length": ("max_seq_length", "max_seq_len", "max_len", "seq_len", "model_max_length"),
    "encoder.dtype": ("fp16", "bf16", "precision", "mixed_precision", "amp", "half"),
    "encoder.init": (
        "model", "model_name", "model_name_or_path", "pretrained", "pretrained_model",
        "base_model", "bert_model", "encoder", "backbone", "transformer",
    ),
    "encoder.layers": ("num_layers", "n_layers", "num_hidden_layers"),
    "encoder.width": ("hidden_size", "d_model", "dim", "embed_dim"),
    "encoder.heads": ("num_heads", "n_heads", "num_attention_heads"),
    "tokenizer.file": ("tokenizer_name", "tokenizer_path", "tokenizer_file"),
    "data.cache_dir": ("cache",),
    "seed": ("random_seed", "manual_seed", "rng_seed"),
    "init_from": (
        "checkpoint", "ckpt", "init_checkpoint", "load", "load_from", "restore", "finetune_from",
    ),
}  # fmt: skip

# What other tools call an option of `mtt train` -> what to write.
_TRAIN = {
    **dict.fromkeys(
        (
            "output", "output_dir", "out", "o", "outdir", "out_dir", "save_dir", "model_dir",
            "run_dir", "logdir", "log_dir", "default_root_dir", "experiment_dir", "dir",
        ),
        "--workdir=DIR",
    ),
    **dict.fromkeys(("c", "cfg", "config_file", "config_path", "conf"), "--config=balanced"),
    **dict.fromkeys(("device", "accelerator", "cuda", "no_cuda", "use_cpu", "cpu", "gpu",
                     "platform", "gpu_id"), _DEVICE),
    **dict.fromkeys(("gpus", "devices", "num_gpus", "n_gpu"), _GPUS),
    **dict.fromkeys(
        ("resume", "resume_from_checkpoint", "continue", "resume_from"),
        "the same command with the same --workdir resumes a run automatically",
    ),
    **dict.fromkeys(
        ("overwrite", "overwrite_output_dir", "force", "restart"),
        "runs are never overwritten; name another directory with --workdir=DIR",
    ),
    **dict.fromkeys(
        ("epochs", "num_epochs", "num_train_epochs", "max_epochs", "n_epochs", "epoch"),
        "the length is in steps, --config.train.steps=N; the run says how many epochs these are, "
        "and a phase takes epochs (docs/phases.md)",
    ),
    **dict.fromkeys(
        ("train_file", "train", "train_data", "train_path", "training_data", "data", "data_dir",
         "dataset", "dataset_name", "data_path", "paths.train", "input", "train_dataset"),
        _FILES.format("train", "train"),
    ),
    **dict.fromkeys(
        ("validation_file", "dev_file", "dev", "valid", "valid_file", "val_file", "dev_data",
         "validation_data", "paths.dev", "eval_file", "eval_data"),
        _FILES.format("dev", "dev"),
    ),
    **dict.fromkeys(("test_file", "test", "test_data", "test_path", "paths.test"),
                    _FILES.format("test", "test")),
    **dict.fromkeys(
        ("do_train", "do_eval", "do_predict", "evaluate", "eval", "predict"),
        "a run trains, then scores dev and test; for more use mtt evaluate and mtt predict",
    ),
    **dict.fromkeys(("task", "task_name", "tasks"), "--config.train.tasks=NAME,NAME"),
    **dict.fromkeys(("labels", "label_list", "num_labels", "classes"),
                    "--config.tasks.TASK.labels=A,B, as in --config.tasks.topic.labels=A,B"),
    **dict.fromkeys(("optimizer", "optim"), "the optimizer is AdamW, with --config.train.beta1 "
                    "and others (mtt fields)"),
    **dict.fromkeys(("verbose", "v", "debug"), "there is no such switch; "
                    "metrics.jsonl in the run directory holds every figure"),
    **dict.fromkeys(("name", "run_name", "experiment_name", "project"), "--workdir=runs/NAME"),
    **dict.fromkeys(("local_rank", "rank", "world_size", "nproc_per_node", "num_processes",
                     "master_addr"),
                    "--coordinator=HOST:PORT --processes=N --process=I (docs/distributed.md)"),
    **dict.fromkeys(("num_workers", "workers", "dataloader_num_workers"),
                    "the data is encoded once and read by a thread; there is nothing to set"),
}  # fmt: skip

_NO_BATCH = "texts are packed into batches automatically; there is nothing to set"
_FIRST = "the run is the first argument, as in mtt {command} runs/balanced"
# The same for the commands that open a finished run.
_OPEN = {
    **dict.fromkeys(("device", "accelerator", "cuda", "no_cuda", "cpu", "gpu", "platform", "gpus",
                     "devices"), _DEVICE),
    **dict.fromkeys(("batch_size", "batch", "bs", "b", "per_device_eval_batch_size"), _NO_BATCH),
    **dict.fromkeys(("model", "model_name", "model_name_or_path", "run", "run_dir", "workdir", "m",
                     "checkpoint", "ckpt", "model_path", "model_dir", "config"), _FIRST),
}  # fmt: skip
_OF_COMMAND = {
    "evaluate": {
        **dict.fromkeys(
            ("data", "file", "test_file", "input", "dataset", "test", "test_data", "dev",
             "validation_file", "train_file"),
            "a file is given by task, as in --ner=FILE; the run's own data by --split=dev or test",
        ),
        **dict.fromkeys(("output", "out", "o", "output_dir"), "--json prints the scores for "
                        "another program, as in mtt evaluate RUN --json > scores.json"),
    },
    "predict": {
        **dict.fromkeys(("out", "o", "output_file", "output_dir", "save"), "--output=FILE"),
        **dict.fromkeys(("input", "i", "input_file", "file", "test_file", "data"),
                        "files follow the run, as in mtt predict RUN FILE"),
        **dict.fromkeys(("threshold",), "thresholds are chosen on dev while training"),
        **dict.fromkeys(("json", "jsonl"), "--format=jsonl"),
        **dict.fromkeys(("csv", "conll"), "--format=csv or --format=conll"),
        **dict.fromkeys(("backend", "runtime"), "--engine=jax or --engine=onnx"),
    },
    "serve": {
        **dict.fromkeys(("bind", "address", "listen", "hostname"), "--host=ADDRESS"),
        **dict.fromkeys(("p",), "--port=N"),
        **dict.fromkeys(("token", "api_key", "auth"), "--token-file=FILE, or the variable "
                        "MTT_TOKEN"),
        **dict.fromkeys(("workers", "threads", "num_workers"), "one process uses all cores; start "
                        "further ones behind a load balancer"),
        **dict.fromkeys(("batch_size", "max_batch_size", "max_batch_tokens"), "--batch-tokens=N"),
        **dict.fromkeys(("batch_timeout", "max_wait", "max_latency"), "--wait-ms=MS"),
        **dict.fromkeys(("max_concurrent_requests", "max_queue", "backlog"), "--queue=N"),
        **dict.fromkeys(("reload",), "a server reads its models once; start it again"),
        **dict.fromkeys(("ssl_keyfile", "ssl_certfile", "certfile", "keyfile"), "a reverse proxy "
                        "adds TLS (docs/serve.md)"),
    },
    "export": {
        **dict.fromkeys(("output", "out", "o", "output_dir", "folder", "dir"),
                        "the folder is the second argument, as in mtt export RUN DIR --to=onnx"),
        **dict.fromkeys(("format", "f", "type"), "--to=hf, --to=onnx or --to=stablehlo"),
        **dict.fromkeys(("hf", "onnx", "stablehlo"), "--to=hf, --to=onnx or --to=stablehlo"),
        **dict.fromkeys(("quantize", "quantization"), "--int8"),
    },
}  # fmt: skip


def advice(argument: str, command: str) -> str:
    """What to write in place of a flag of another tool, as ` Here it is --workdir=DIR.`, or "".

    Args:
      argument: as typed, such as `--batch_size=8` or `train.steps=5`.
      command: of `mtt`; "train" for launch.py.
    """
    typed, equals, value = argument.partition("=")
    name = typed.lstrip("-").lower().replace("-", "_")
    if command not in ("train", "diagnose", "distill"):
        said = _OF_COMMAND.get(command, {}).get(name) or _OPEN.get(name, "")
        return f" Here: {said.format(command=command)}." if said else ""
    path = _path(name)
    if path:
        given = value if equals and _keeps(name) else "VALUE"
        more = " (a row holds several sentences)" if path == "train.batch_rows" else ""
        return f" Here it is --config.{path}={given}{more}."
    said = _TRAIN.get(name, "")
    if command == "diagnose":
        said = said.replace("--workdir=", "--out=")
    return f" Here: {said}." if said else ""


def _keeps(name: str) -> bool:
    """Whether the other tool's value means the same here."""
    return name not in ("warmup_ratio", "fp16", "bf16", "precision", "mixed_precision", "amp",
                        "half", "lr_scheduler_type", "lr_scheduler", "scheduler")  # fmt: skip


def _path(name: str) -> str:
    """The path of the config's field that a name means; "" for none."""
    for path, names in _FIELDS.items():
        if name in names:
            return path
    name = name.removeprefix("config.")
    section, dot, field = name.partition(".")
    if dot and (section in ("tasks", "phases") or section in SECTIONS):
        known = [o.name for o in options_of(SECTIONS[section])] if section in SECTIONS else []
        nested = section in ("tasks", "data") and "." in field
        if nested or section == "phases" or field in known:
            return name
        nearest = did_you_mean(field, known)
        return f"{section}.{nearest.split(chr(39))[1]}" if nearest else ""
    if name in TOP:
        return name
    found = [
        f"{section}.{option.name}"
        for section, fields in SECTIONS.items()
        for option in options_of(fields)
        if option.name == name
    ]
    for section, fields in (("tasks", TaskConfig), ("data", TaskDataConfig)):
        if not found and name in [option.name for option in options_of(fields)]:
            return f"{section}.TASK.{name}"
    return found[0] if len(found) == 1 else ""
