"""Every format that is text: compressed, in other encodings, with other line ends, many at once."""

import gzip
import json
import zipfile

import pytest
import zstandard

from mtt_jax.data.readers import READERS, expand, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError


def jsonl(*objects):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


NEWS = "Frau Müller fährt über die Brücke nach Köln, obwohl es schneit"
TEXTS = (NEWS, "Der Bürgermeister eröffnet das größte Museum für Käse")
SPAN = {"start": 5, "end": 11, "label": "PER"}
STUDIO = [
    {
        "id": number,
        "data": {"text": text},
        "annotations": [
            {"result": [{"type": "choices", "from_name": "t", "to_name": "text",
                         "value": {"choices": ["news"]}}]}
        ],
    }
    for number, text in enumerate(TEXTS)
]  # fmt: skip

# Name of a reader -> (file name, content). Those that are missing read folders or binary files.
SAMPLES = {
    "label-studio": ("export.json", json.dumps(STUDIO, ensure_ascii=False)),
    "prodigy": (
        "prodigy.jsonl",
        jsonl(*({"text": t, "spans": [SPAN], "answer": "accept", "_task_hash": 1} for t in TEXTS)),
    ),
    "doccano": (
        "doccano.jsonl",
        jsonl(*({"id": 1, "text": t, "label": [[5, 11, "PER"]], "Comments": []} for t in TEXTS)),
    ),
    "spacy": (
        "spacy.json",
        json.dumps([[t, {"entities": [[5, 11, "PER"]]}] for t in TEXTS], ensure_ascii=False),
    ),
    "gliner": (
        "gliner.json",
        json.dumps(
            [{"tokenized_text": t.split(), "ner": [[1, 1, "PER"]]} for t in TEXTS],
            ensure_ascii=False,
        ),
    ),
    "fasttext": ("train.txt", "".join(f"__label__news {text}\n" for text in TEXTS)),
    "json": (
        "all.json",
        json.dumps([{"text": t, "label": "a"} for t in TEXTS], ensure_ascii=False),
    ),
    "jsonl": ("all.jsonl", jsonl(*({"text": text, "label": "a"} for text in TEXTS))),
    "webanno": (
        "webanno.tsv",
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.NE|value\n\n\n"
        "#Text=Müller eröffnet Köln\n1-1\t0-6\tMüller\tPER\n1-2\t7-15\teröffnet\t_\n"
        "1-3\t16-20\tKöln\tLOC\n",
    ),
    "conllu": (
        "ud.conllu",
        "".join(
            f"# sent_id = {n}\n"
            + "".join(f"{i}\t{w}\t{w}\tX\t_\t_\t0\tdep\t_\t_\n" for i, w in enumerate(t.split(), 1))
            + "\n"
            for n, t in enumerate(TEXTS)
        ),
    ),
    "germeval": (
        "NER-de-train.tsv",
        "".join(
            "#\thttp://example.org [2010-01-05]\n"
            + "".join(f"{i}\t{w}\tO\tO\n" for i, w in enumerate(t.split(), 1))
            + "\n"
            for t in TEXTS
        ),
    ),
    "ontonotes": (
        "ontonotes.v4_gold_conll",
        "#begin document (bc/x/00/x_0000); part 000\n"
        + "".join(
            "".join(
                f"bc/x/00/x_0000  0  {i}  {w}  NN  *  -  -  -  -  *  -\n"
                for i, w in enumerate(text.split())
            )
            + "\n"
            for text in TEXTS
        )
        + "#end document\n",
    ),
    "kaggle": (
        "ner_dataset.csv",
        "Sentence #,Word,POS,Tag\n"
        + "".join(
            f"{f'Sentence: {n}' if i == 0 else ''},{word.strip(',')},NN,O\n"
            for n, text in enumerate(TEXTS, 1)
            for i, word in enumerate(text.split())
        ),
    ),
    "sentence-tags": (
        "tagged.txt",
        "".join(" ".join(f"{word}/O" for word in text.split()) + "\n" for text in TEXTS),
    ),
    "conll": (
        "train.conll",
        "".join("".join(f"{word} O\n" for word in text.split()) + "\n" for text in TEXTS),
    ),
    "tsv": ("sms.tsv", "".join(f"ham\t{text}\n" for text in TEXTS * 2)),
    "csv": ("news.csv", "text,label\n" + "".join(f'"{text}",ham\n' for text in TEXTS * 2)),
}
WITHOUT_TEXT = {"hub", "datasets", "parquet", "docbin", "brat", "folders"}
# They are other layouts of what has a sample.
TABLES_OF_TOOLS = {"label-studio-table", "doccano-csv"}

each_format = pytest.mark.parametrize("name", SAMPLES)


def sample(folder, name, encoding="utf-8", ends="\n"):
    """Writes the sample of a format and returns its path."""
    file, content = SAMPLES[name]
    path = folder / file
    path.write_bytes(content.replace("\n", ends).encode(encoding))
    return path


def packed(path, packing):
    """Writes a compressed copy into a folder of its own."""
    copy = path.parent / packing / f"{path.name}.{packing}"
    copy.parent.mkdir()
    if packing == "zip":
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
    else:
        pack = gzip.compress if packing == "gz" else zstandard.compress
        copy.write_bytes(pack(path.read_bytes()))
    return copy


def contents(path, name, **layout):
    """What a file says, without where; it must have been recognized."""
    opened = read_rows(path, Layout(**layout))
    assert opened.reader.name == name
    return [(row.fields, row.text, row.tokens, row.offsets) for row in opened.rows]


def test_there_is_a_sample_of_every_format():
    assert {reader.name for reader in READERS} - WITHOUT_TEXT - TABLES_OF_TOOLS == set(SAMPLES)


@each_format
def test_a_format_is_recognized_by_its_content(tmp_path, name):
    found = contents(sample(tmp_path, name), name)
    assert found
    assert "Müller" in str(found)
    json.dumps([fields for fields, *_ in found], allow_nan=False)


@each_format
@pytest.mark.parametrize("packing", ["gz", "zst", "zip"])
def test_a_compressed_file_gives_the_same_rows(tmp_path, name, packing):
    path = sample(tmp_path, name)
    assert contents(packed(path, packing), name) == contents(path, name)


@each_format
@pytest.mark.parametrize("packing", ["gz", "zst", "zip"])
def test_a_compressed_file_may_have_any_name(tmp_path, name, packing):
    copy = packed(sample(tmp_path, name), packing)
    inside = copy.suffix if packing == "zip" else ""
    if name in ("csv", "conll"):
        pytest.skip("recognized by its extension where it is short")
    assert contents(copy.rename(tmp_path / f"data{inside}"), name)


@each_format
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_the_encoding_is_recognized(tmp_path, name, encoding):
    expected = contents(sample(tmp_path, name), name)
    assert contents(sample(tmp_path, name, encoding), name) == expected


@each_format
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_the_encoding_can_be_named(tmp_path, name, encoding):
    expected = contents(sample(tmp_path, name), name)
    path = sample(tmp_path, name, encoding)
    assert contents(path, name, encoding=encoding) == expected


@each_format
@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_other_line_ends_make_no_difference(tmp_path, name, ends):
    expected = contents(sample(tmp_path, name), name)
    assert contents(sample(tmp_path, name, ends=ends), name) == expected


@each_format
def test_a_last_line_without_an_end_is_read(tmp_path, name):
    path = sample(tmp_path, name)
    expected = contents(path, name)
    path.write_text(path.read_text("utf-8").rstrip("\n"), "utf-8")
    assert contents(path, name) == expected


def test_a_zip_file_with_several_files_is_refused_with_their_names(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.csv", "text,label\n")
        archive.writestr("test.csv", "text,label\n")
    with pytest.raises(UserError, match=r"all.zip: .*2 files \(train.csv, test.csv\); unpack it"):
        read_rows(path, Layout())


def test_folders_and_what_a_mac_adds_to_a_zip_file_are_not_its_files(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/", "")
        archive.writestr("data/train.csv", "text,label\na b,c\n")
        archive.writestr("__MACOSX/data/._train.csv", b"\0\0")
        archive.writestr("data/.DS_Store", b"\0\0")
    assert [fields["text"] for fields, *_ in contents(path, "csv")] == ["a b"]


def test_several_files_and_globs_are_read_in_the_order_of_their_names(tmp_path):
    for number, packing in ((2, ""), (10, ""), (1, "gz")):
        path = tmp_path / f"part{number:02}.jsonl"
        path.write_text(jsonl({"text": f"text {number}"}))
        if packing:
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    found = expand(f"{tmp_path}/part*.jsonl*", "--train")
    texts = [row.fields["text"] for path in found for row in read_rows(path, Layout()).rows]
    assert texts == ["text 1", "text 2", "text 10"]
    listed = f"{tmp_path}/part10.jsonl, {tmp_path}/part0[12].*"
    assert [path.name for path in expand(listed, "--train")] == [
        "part10.jsonl", "part01.jsonl.gz", "part02.jsonl",
    ]  # fmt: skip


def test_a_file_that_only_stands_for_the_data_of_git_lfs_is_refused(tmp_path):
    path = tmp_path / "train.parquet"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    with pytest.raises(UserError, match="--train: .*train.parquet .*git lfs pull"):
        expand(str(path), "--train")
