"""Manifests: written last, and every file that is not as it was written is named."""

import json

import pytest

from mtt_jax.errors import UserError
from mtt_jax.weights import manifest
from mtt_jax.weights.manifest import Damage


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "deep" / "b.bin").write_bytes(bytes(100))
    (tmp_path / "changes.txt").write_text("now")
    manifest.write(tmp_path, ("changes.txt",))
    return tmp_path


def test_a_folder_as_it_was_written_is_whole(folder):
    assert manifest.damages(folder) == []
    (folder / "changes.txt").write_text("later")
    (folder / "new.txt").write_text("which nothing says anything about")
    assert manifest.damages(folder) == []
    assert not list(folder.glob(".*"))


def test_a_manifest_has_a_format_number_and_the_size_and_sha256_of_each_file(folder):
    plain = json.loads((folder / "manifest.json").read_text())
    assert plain["format"] == 1
    assert plain["files"]["a.txt"] == {
        "size": 5,
        "sha256": "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e",
    }
    assert list(plain["files"]) == ["a.txt", "deep/b.bin"]


def flip(content):
    return content[:50] + bytes([content[50] ^ 1]) + content[51:]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda file: file.write_bytes(bytes(99)), "has 99 bytes, and was written with 100"),
        (lambda file: file.write_bytes(flip(bytes(100))), "its content is not what was written"),
        (lambda file: file.unlink(), "missing"),
        (lambda file: (file.unlink(), file.mkdir()), "is not a file"),
    ],
)
def test_a_damaged_file_is_named(damage, what, folder):
    damage(folder / "deep" / "b.bin")
    (found,) = manifest.damages(folder)
    assert found.file == folder / "deep" / "b.bin"
    assert found.what.startswith(what)
    assert manifest.damages(folder, left_out=("deep/b.bin",)) == []


def test_all_damaged_files_are_named_and_only_three_in_an_error(tmp_path):
    for name in "abcde":
        (tmp_path / name).write_text(name)
    manifest.write(tmp_path)
    for name in "abcde":
        (tmp_path / name).unlink()
    found = manifest.damages(tmp_path)
    assert found == [Damage(tmp_path / name, "missing") for name in "abcde"]
    assert manifest.listed(found).endswith(f"{tmp_path}/c: missing; and 2 more")


def test_a_file_that_was_added_is_damage_if_it_would_be_read(folder):
    (folder / "extra.json").write_text("{}")
    assert manifest.damages(folder, needed=("extra.json", "a.txt")) == [
        Damage(folder / "extra.json", "was added later")
    ]


def test_one_file_can_be_taken_into_a_manifest_without_the_others(folder):
    for name in ("a.txt", "new.txt"):
        (folder / name).write_text("changed")
    manifest.update(folder, "new.txt")
    assert [one.file.name for one in manifest.damages(folder)] == ["a.txt"]
    (folder / "new.txt").unlink()
    manifest.update(folder, "new.txt")
    assert [one.file.name for one in manifest.damages(folder)] == ["a.txt"]


def test_a_folder_without_a_manifest_is_neither_whole_nor_damaged(tmp_path):
    assert manifest.damages(tmp_path) is None
    manifest.update(tmp_path, "a.txt")
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "null", "[]", "{}", '{"format": 1}', '{"format": 1, "files": {}}',
        '{"format": "1", "files": {"a": {"size": 1, "sha256": "a"}}}',
        '{"format": 1, "files": {"a": {"size": "1", "sha256": "a"}}}',
        '{"format": 1, "files": {"a": {"size": 1}}}', '{"format": 1, "files": {"a": null}}',
        '{"format": 1, "files": {"../a": {"size": 1, "sha256": "a"}}}',
        '{"format": 1, "files": {"/etc/passwd": {"size": 1, "sha256": "a"}}}',
        "[" * 100_000, "\xff",
    ],
)  # fmt: skip
def test_a_damaged_manifest_is_named(content, folder):
    (folder / "manifest.json").write_bytes(content.encode("latin-1"))
    assert manifest.damages(folder) == [Damage(folder / "manifest.json", "damaged: not a manifest")]


def test_a_manifest_of_a_newer_format_is_refused(folder):
    (folder / "manifest.json").write_text('{"format": 2, "files": {}}')
    with pytest.raises(UserError, match=r"a newer version of mtt_jax \(format 2, and"):
        manifest.read(folder)
