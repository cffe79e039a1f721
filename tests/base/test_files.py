"""Where no file can be, one line says so, and what is there stays."""

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("folder", "folder: is a folder, and is not replaced; name a file"),
        ("/dev/null", "/dev/null: is a device, and is not replaced"),
        ("file/below", "file is a file, not a folder; give another path"),
        ("file/far/below", "file is a file, not a folder; give another path"),
    ],
)
def test_what_is_no_file_is_not_replaced(tmp_path, place, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SgpipeError, match=words), atomic(tmp_path / place) as temporary:
        temporary.write_text("other")
    assert (tmp_path / "folder").is_dir() and (tmp_path / "file").read_text() == "mine"
