"""The notebooks in examples/: stored without outputs, and run from the first cell to the last."""

import json

import pytest

from tests.helpers import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def outputs(notebook, mime):
    """What the cells of an executed notebook show, in one of its forms."""
    return [
        "".join(output["data"][mime])
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if mime in output.get("data", {})
    ]


@pytest.mark.peers  # slow: trains on the whole embedded corpus
def test_the_quickstart_runs_from_the_first_cell_to_the_last(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("QUICKSTART_STEPS", "2")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "examples" / "quickstart.ipynb", as_version=4)
    nbformat.validate(notebook)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=None, resources=resources).execute()
    run = tmp_path / "runs" / "quickstart"
    assert json.loads((run / "metrics.json").read_text())["steps"] == 2
    shown = outputs(notebook, "text/html")
    assert any("strict, overall" in html for html in shown)
    assert any("runs/quickstart/report.html" in html for html in shown)
    results = [html for html in shown if "<bdi>topic</bdi>" in html]
    assert len(results) == 3
    assert "Ann Lee" in results[2].replace("<", " <")
