"""A folder from a stranger: files inside it, regular, bounded; everything else in one line."""

import os

import pytest

from mtt_jax.errors import UserError
from mtt_jax.untrusted.folder import exists, file_in, read_bytes, read_json, read_object, user_path


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    (inside / "a.json").write_text('{"a": 1}')
    (inside / "sub" / "b.json").write_text("{}")
    (tmp_path / "secret.json").write_text('{"password": 1}')
    return inside


def refusal(function, *arguments):
    with pytest.raises(UserError) as error:
        function(*arguments)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


def test_files_of_the_folder_are_found_and_others_are_none(folder):
    assert file_in(folder, "a.json") == folder / "a.json"
    assert file_in(folder, "sub/b.json") == folder / "sub" / "b.json"
    assert file_in(folder, "none.json") is None
    assert file_in(folder, "a.json/b") is None


@pytest.mark.parametrize(
    "name",
    ["../secret.json", "sub/../../secret.json", "/etc/passwd", "", "a\0b", "..\\secret.json"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name, folder):
    assert "does not read files outside its folder" in refusal(file_in, folder, name)


def test_a_link_that_leads_out_of_the_folder_is_refused(folder):
    (folder / "link.json").symlink_to("../secret.json")
    (folder / "away").symlink_to(folder.parent)
    for name in ("link.json", "away/secret.json"):
        message = refusal(file_in, folder, name)
        assert f"a link to {folder.parent / 'secret.json'}, outside the folder" in message
        assert "Copy the file in place of the link" in message


def test_a_link_inside_the_folder_and_a_folder_that_is_a_link_are_read(folder):
    (folder / "link.json").symlink_to("sub/b.json")
    assert file_in(folder, "link.json")
    (folder.parent / "again").symlink_to(folder)
    assert file_in(folder.parent / "again", "a.json")


def test_links_that_lead_nowhere_or_to_each_other_are_refused(folder):
    (folder / "nowhere.json").symlink_to("none.json")
    assert "a link to a file that does not exist" in refusal(file_in, folder, "nowhere.json")
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    assert "cannot be read: Too many levels of symbolic links" in refusal(file_in, folder, "one")


def test_the_cache_of_the_hub_links_from_snapshots_to_blobs(tmp_path):
    blobs, snapshot = (tmp_path / "models--a--b" / n for n in ("blobs", "snapshots/abc"))
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "1f").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/1f")
    (snapshot / "other.json").symlink_to("../../refs")
    assert file_in(snapshot, "config.json")
    assert "outside the folder" in refusal(file_in, snapshot, "other.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_or_a_directory_in_place_of_a_file_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "pipe.json")
    assert "pipe.json: is not a regular file" in refusal(file_in, folder, "pipe.json")
    assert "pipe.json: is not a regular file" in refusal(read_json, folder / "pipe.json")
    assert "sub: is a directory; expected a file." in refusal(file_in, folder, "sub")
    assert "is not a regular file" in refusal(read_bytes, type(folder)("/dev/zero"))


def test_a_file_larger_than_its_bound_is_refused_before_it_is_read(folder):
    with (folder / "large.json").open("wb") as file:
        file.truncate(1 << 40)  # sparse: it takes no space
    assert "is larger than 16,777,216 bytes" in refusal(read_json, folder / "large.json")
    assert "is larger than 7 bytes" in refusal(read_bytes, folder / "a.json", 7)
    assert read_bytes(folder / "a.json", 8) == b'{"a": 1}'


def test_json_that_is_no_object_or_no_json_is_named_with_its_file(folder):
    (folder / "a.json").write_text("[")
    assert refusal(read_object, folder / "a.json").startswith(f"{folder / 'a.json'}: is not JSON: ")
    (folder / "a.json").write_text("[1]")
    assert "expected a JSON object, got list" in refusal(read_object, folder / "a.json")
    assert "cannot be read: it does not exist" in refusal(read_object, folder / "none.json")


def test_a_path_that_no_file_can_have_is_refused(tmp_path):
    assert "cannot be opened: file name too long" in refusal(user_path, "a" * 5000, "--config")
    assert refusal(user_path, "a" * 5000, "--config").startswith("--config: aaa")
    assert "no home directory" in refusal(user_path, "~no_such_user_here/x")
    assert user_path(tmp_path / "none") == tmp_path / "none"


def test_whether_a_text_is_a_path_is_answered_for_any_text(tmp_path):
    (tmp_path / "a").write_text("")
    assert exists(str(tmp_path / "a"))
    for name in ("a" * 5000, "~no_such_user_here/x", "\0", str(tmp_path / "b")):
        assert not exists(name)
