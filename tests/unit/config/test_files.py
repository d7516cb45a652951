"""A file that is no configuration is one line."""

import pytest
from secret_words import JWT

from mmactors.config import ConfigError, load

LAUGHS = [(n, (b"a" if n == 0 else b"a%d" % (n - 1), b"a%d" % n)) for n in range(30)]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (None, 66, "no such file"),
        (b"quoting: {spread: 0.02\nrisk: 1", 78, "malformed YAML at line 2, column 5"),
        (b"quoting:\n\tspread: 1", 78, "malformed YAML at line 2, column 1"),
        (b"a: b: c", 78, "malformed YAML at line 1, column 5"),
        (b"a: \x00", 78, "malformed YAML at line 1, column 4"),
        (b"a: !!python/object:os.system {}", 78, "malformed YAML at line 1, column 4"),
        (b"a: *nowhere", 78, "malformed YAML at line 1, column 4"),
        (b"--- {}\n--- {}", 78, "malformed YAML at line 2, column 1"),
        (b"a: !!timestamp abc", 78, "malformed YAML at line 1, column 4: a tag; write plain values"),
        (b"quoting: {size: !!int abc}", 78, "malformed YAML at line 1, column 17: not what its tag says (int)"),
        (b"quoting: &q {size: *q}", 78, "malformed YAML at line 1, column 10: an anchor that contains itself"),
        (b"quoting: &q\n  <<: *q", 78, "malformed YAML at line 1, column 10: an anchor that contains itself"),
        (b"<<: 3", 78, "malformed YAML at line 1, column 5: << merges sections only"),
        (b"? [a]\n: 1", 78, "malformed YAML at line 1, column 3: a key must be a word"),
        (b"%YAML 9.9\n---\na: 1", 78, "malformed YAML at line 1, column 1"),
        (b"{", 78, "malformed YAML at line 1, column 2"),
        (b"quoting:\n spread: 0.02\n   size: 3", 78, "malformed YAML at line 3, column 8"),
        (b"a: &a [x,x]\n" + b"".join(b"b%d: &%s [*%s,*%s]\n" % (n, c, p, p) for n, (p, c) in LAUGHS), 78, "too many"),
        (b"#" * 1_000_001, 78, "more than 1,000,000 bytes are no configuration"),
        (b"[" * 5000, 78, "malformed YAML"),
        (b"- 1\n- 2", 78, "expected sections (key: value), found a list of 2"),
        (b"just words", 78, "expected sections (key: value), found 'just words'"),
        (b"name: \xff\xfe", 78, "not UTF-8 text (byte 6)"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path, content, code, line):
    path = tmp_path / "conf.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert told.value.exit_code == code
    assert len(told.value.lines) == 1
    assert line in told.value.lines[0]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="Is a directory") as told:
        load(tmp_path, {})
    assert told.value.exit_code == 66


def test_malformed_yaml_does_not_show_the_line_it_is_in(tmp_path):
    path = tmp_path / "conf.yaml"
    path.write_text(f"api_key: {JWT}: {JWT}")
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert JWT not in str(told.value)
    assert told.value.__cause__ is None
