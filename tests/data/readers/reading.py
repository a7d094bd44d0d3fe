"""What the tests of the file formats share: the one door, and what it says of a bad file."""

import pytest
from conftest import make_config

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers.files import read_file
from mtt_jax.errors import UserError

TASKS = {task.name: task for task in make_config().task_list}


def written(folder, name, text, encoding="utf-8"):
    """A file of a text, its line ends as they are given."""
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


def read(file, task="topic", encoding="utf-8", clean=True, **fields):
    """The records of a task and the notes on its file; `fields` are those of config.data.TASK."""
    data = DataConfig(encoding=encoding, clean=clean)
    flag = f"--config.data.{task}.train"
    return read_file(str(file), TASKS[task], data, TaskDataConfig(**fields), flag)


def complaint(file, task="topic", **options):
    """What the user is told of a file that cannot be read."""
    with pytest.raises(UserError) as error:
        read(file, task, **options)
    return str(error.value)


def word_texts(record):
    return [record.text[start:end] for start, end in record.words]


def entities(record):
    """(text, label) of each entity; None where a record is unlabelled."""
    if "ner" not in record.spans:
        return None
    return [
        (record.text[record.words[start][0] : record.words[end - 1][1]], label)
        for start, end, label in record.spans["ner"]
    ]
