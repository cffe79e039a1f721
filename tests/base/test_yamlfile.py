"""YAML that no person would write is one line, soon; what a person writes is read as it is meant."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sgpipe.base.errors import SgpipeError
from sgpipe.base.yamlfile import MOST_BYTES, read_yaml

TENS = "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghi"))
MERGED = "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n" for before, name in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: &a [x]\n" + TENS, "makes more than 200,000 values, with anchors written out"),
        ("a: &a {k: 1, l: 2, m: 3}\n" + MERGED, "makes more than 200,000 values"),
        ("a: &a [*a]", "line 1: an anchor contains itself"),
        ("- " * 3000 + "a", "nested more than 40 levels deep"),
        ("{a: " * 300 + "b" + "}" * 300, "nested more than 40 levels deep"),
        ("a: &x0 [1]\n" + "".join(f"x{i}: &x{i} [*x{i - 1}]\n" for i in range(1, 99)), "nested more than 40 levels"),
        ("a" * (MOST_BYTES + 1), "is larger than 250,000 bytes"),
        (b"a: \xff", "byte 4 is not UTF-8"),
        ("a: \x00", "bad YAML: unacceptable character"),
        ("a: 2024-01-01", "'2024-01-01' is of the kind timestamp, which is not used; quote it"),
        ("a: !!binary xxx", "of the kind binary"),
        ("a: !!python/object:os.system x", "of the kind os.system"),
        ("a: !!bool abc", "bad YAML"),
        ("a: " + "1" * 6000, "a number of 6000 digits"),
        ("1: 2", "the key '1' is not a word; quote it"),
        ("? [a]\n: b", "a key is not a word"),
        ('"a\\nb": 1', "is not one line"),
        ("--- a\n--- b", "line 2: but found another document"),
    ],
)
def test_what_no_person_writes_is_one_line_that_names_the_file(tmp_path, content, words):
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SgpipeError) as error:
        read_yaml(path)
    assert str(error.value).startswith(str(path)) and words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "words"), [("", "is a folder"), ("none", "no such file"), ("/dev/zero", "not a plain")]
)
def test_what_is_no_file_is_said(tmp_path, path, words):
    with pytest.raises(SgpipeError, match=words):
        read_yaml(tmp_path / path)


def test_anchors_merges_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + b"a: &a {b: 1, c: no}\nd: {<<: *a, b: 1e-3}\ne: [*a, *a]\n")
    one = {"b": 1, "c": "no"}
    assert read_yaml(path) == {"a": one, "d": {"b": 0.001, "c": "no"}, "e": [one, one]}


@given(st.text(alphabet="0123456789.eExobfF_+-~tTrue", min_size=1, max_size=8))
@settings(max_examples=300, deadline=None, derandomize=True)
@example("1e-3")
@example("0o17")
@example("-.inf")
@example(".NaN")
@example("0x_F")
@example("1.e+5")
@example("+1_000.5_0")
def test_plain_words_mean_what_they_mean_to_another_reader_of_yaml_1_2(word):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(f"- {word}")
        try:
            theirs = YAML(typ="safe", pure=True).load(path)
        except (YAMLError, ValueError):
            theirs = None
        try:
            ours = read_yaml(path)
        except SgpipeError:
            ours = None
    assert repr(ours) == repr(theirs)
