"""Data sets of the hub by name: read with the hub's own library from a server on this machine."""

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

import pyarrow as pa
import pyarrow.parquet
import pytest

from mtt_jax.data.readers import files, hub
from tests.helpers import ROOT

SHA = "0123456789abcdef0123456789abcdef01234567"
READ = """
import json, sys
from pathlib import Path
from mtt_jax.data.readers import hub
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
try:
    rows = hub.read(Path(sys.argv[1]), Layout(flag="--config.data.ner"))
    print(json.dumps([row.fields for row in rows]))
except UserError as error:
    print(f"UserError: {error}")
"""


@pytest.fixture(scope="module")
def conversion(tmp_path_factory):
    """Path in the Parquet conversion -> bytes."""
    folder, found = tmp_path_factory.mktemp("conversion"), {}
    contents = {
        "default/train/0000.parquet": ["Ann", "Bo"],
        "default/train/0001.parquet": ["Cy"],
        "default/test/0000.parquet": ["Di"],
    }
    for name, texts in contents.items():
        pyarrow.parquet.write_table(pa.table({"text": texts}), folder / "x.parquet")
        found[name] = (folder / "x.parquet").read_bytes()
    return found


@pytest.fixture(scope="module")
def server(conversion):
    """Answers the hub's questions about three data sets, as its API does."""
    sets = {
        "ann/news": conversion,
        "ann/many": {f"{lang}/train/0000.parquet": b"" for lang in ("de", "en")},
        "ann/huge": {"default/partial-train/0000.parquet": b""},
        "ann/empty": {"README.md": b""},
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urllib.parse.unquote(self.path.split("?")[0]).replace("/api", "")
            found = next((name for name in sets if path.startswith(f"/datasets/{name}/")), None)
            if found is None or "refs/convert/parquet" not in path:
                return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            if "/revision/" in path:
                siblings = [{"rfilename": name} for name in sets[found]]
                info = {"id": found, "sha": SHA, "siblings": siblings}
                return self.answer(200, json.dumps(info).encode(), {})
            content = sets[found][path.split("refs/convert/parquet/")[1]]
            headers = {"X-Repo-Commit": SHA, "ETag": f'"{hash(content)}"'}
            return self.answer(200, content, headers)

        def answer(self, status, content, headers):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def read(spec, endpoint, home, **environment):
    """What a process of its own prints: the library reads its settings when it is imported."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READ, spec], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**os.environ, "NO_PROXY": "*", **settings, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_split_is_downloaded_and_its_files_are_read_in_order(server, tmp_path):
    expected = [{"text": "Ann"}, {"text": "Bo"}, {"text": "Cy"}]
    assert json.loads(read("hub:ann/news:train", server, tmp_path)) == expected
    assert json.loads(read("hub:ann/news/default:test", server, tmp_path)) == [{"text": "Di"}]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hub:ann/news", "several splits: it has test, train. Write hub:ann/news/default:SPLIT"),
        ("hub:ann/news:tain", "no split 'tain': it has test, train. Did you mean 'train'?"),
        ("hub:ann/many:train", "several configs: it has de, en. Write hub:ann/many/CONFIG:"),
        ("hub:ann/many/fr:train", "no config 'fr': it has de, en."),
        ("hub:ann/huge:train", "first 5 GB of split 'train'; name it hub:ann/huge/default:"),
        ("hub:ann/empty:train", "no Parquet conversion of 'ann/empty'"),
        ("hub:ann/unknown:train", "no public data set 'ann/unknown'"),
        ("hub:a/b/c/d", "write hub:OWNER/NAME:SPLIT"),
        ("hub:", "write hub:OWNER/NAME:SPLIT"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_line_that_says_what_is(server, tmp_path, spec, message):
    printed = read(spec, server, tmp_path)
    assert printed.startswith("UserError: --config.data.ner: ")
    assert message in printed
    assert "\n" not in printed


def test_without_a_network_the_files_that_were_downloaded_are_named(server, tmp_path):
    read("hub:ann/news:train", server, tmp_path)
    printed = read("hub:ann/news:train", "http://127.0.0.1:9", tmp_path)
    assert printed.startswith("UserError: --config.data.ner: cannot read 'ann/news' from the hub")
    assert f"snapshots/{SHA}/default/train/*.parquet was downloaded before" in printed
    assert "\n" not in printed


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_without_a_network_and_a_copy_the_advice_is_to_bring_files(tmp_path, environment):
    printed = read("hub:ann/news:train", "http://127.0.0.1:9", tmp_path, **environment)
    assert "download its Parquet files elsewhere and copy them here" in printed
    assert "\n" not in printed


def test_a_name_of_the_hub_is_recognized_and_a_file_is_not(tmp_path):
    (spec,) = files.expand("hub:ann/news:train", "--train")
    assert hub.recognize(files.head(spec)) == "Hugging Face hub"
    assert hub.recognize(files.head(tmp_path)) is None
