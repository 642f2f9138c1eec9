from pathlib import Path
from typing import Any

import pytest

from histoseg.errors import UnreadableFileError
from histoseg.weights.deepliif_options import parsed, read_options, write_options

FILE = """----------------- Options ---------------
             aspect_ratio: 1.0
        background_colors: [(np.uint8(201), np.uint8(211), np.uint8(208)), (10, 10, 10)]
          checkpoints_dir: ./checkpoints
           display_server: http://localhost
                   epoch: latest                        \t[default: latest]
                 gpu_ids: 0
               init_gain: 0.02
                lambda_L1: 100.0                         \t[default: 50]
             modalities_no: 4
                    netG: resnet_9blocks
               no_dropout: False
      remote_transfer_cmd: None
              seg_weights: [0.25, np.float64(0.15), 2.5e-1, 0.1, 0.25]
                     name: my-model (2)
                    split: 3:4
                    empty:
----------------- End -------------------
"""
VALUES: dict[str, Any] = {
    "aspect_ratio": 1.0,
    "background_colors": [(201, 211, 208), (10, 10, 10)],
    "checkpoints_dir": "./checkpoints",
    "display_server": "http://localhost",
    "epoch": "latest",
    "gpu_ids": 0,
    "init_gain": 0.02,
    "lambda_L1": 100.0,
    "modalities_no": 4,
    "netG": "resnet_9blocks",
    "no_dropout": False,
    "remote_transfer_cmd": None,
    "seg_weights": [0.25, 0.15, 0.25, 0.1, 0.25],
    "split": "3:4",
    "empty": "",
}


def test_reads_values_and_text(tmp_path: Path) -> None:
    (tmp_path / "train_opt.txt").write_text(FILE.replace(" (2)", ""))
    assert read_options(tmp_path / "train_opt.txt") == VALUES | {"name": "my-model"}


@pytest.mark.parametrize(
    "code",
    [
        *('__import__("os").system("touch ran")', "open('ran', 'w')", "print(1)", "[exit()]"),
        *("lambda: 1", "(x := 3)", "[i for i in (1, 2)]", "np.array(print(1))", "np.uint8(exit())"),
    ],
)
def test_code_is_not_run_and_its_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train_opt.txt").write_text(f"--- Options\n  a: 1\n  seg_weights: {code}  \n")
    with pytest.raises(UnreadableFileError, match=r"train_opt\.txt, line 3: .* is code") as caught:
        read_options(tmp_path / "train_opt.txt")
    assert code in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text", ["a.b.c", "a-b", "x" * 10_000, "(" * 5000, "9" * 5000, "1 +", "{[]: 1}", "\x00", "a[1]"]
)
def test_strange_text_stays_text(text: str) -> None:
    assert parsed(f" {text}  ") == text


def test_what_is_written_is_read_back_and_looks_as_theirs(tmp_path: Path) -> None:
    path = tmp_path / "train_opt.txt"
    write_options(path, VALUES)
    assert read_options(path) == VALUES
    lines = path.read_text().splitlines()
    assert lines[0] == "----------------- Options ---------------"
    assert lines[-1] == "----------------- End -------------------"
    assert f"{'netG':>25}: {'resnet_9blocks':<30}" in lines
    assert lines[1:-1] == sorted(lines[1:-1], key=str.lstrip)


@pytest.mark.parametrize("value", ["1", " a", "a\nb", object(), float("nan"), "f(x)"])
def test_what_would_not_be_read_back_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match=r"train_opt\.txt cannot hold|is code"):
        write_options(tmp_path / "train_opt.txt", {"key": value})
    assert not (tmp_path / "train_opt.txt").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train_opt.txt").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UnreadableFileError, match="not a text file"):
        read_options(tmp_path / "train_opt.txt")
    with pytest.raises(FileNotFoundError):
        read_options(tmp_path / "nowhere.txt")
