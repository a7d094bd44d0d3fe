"""python -m mtt_jax: commands, exit codes and the generated page."""

import pytest

from mtt_jax import __version__
from mtt_jax.__main__ import main
from tests.helpers import ROOT


def test_the_page_of_fields_in_docs_is_current(capsys):
    assert main(["fields"]) == 0
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page, "run: python -m mtt_jax fields > docs/config.md"


def test_a_run_that_is_not_there_is_one_line_and_exit_status_2(capsys, tmp_path):
    assert main(["evaluate", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/none: no such directory")


def test_a_run_without_a_model_says_how_to_get_one(capsys, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "finish it with the command that started it" in capsys.readouterr().err


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        main(["evalute"])
    assert end.value.code == 2
    assert "evaluate" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
