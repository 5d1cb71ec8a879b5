"""`python model.py` trains and saves a network, and never harms an older one."""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from scripts import checkout, interrupted, needs_signals, new_files, run

import model

OLD = b"the old model"


def train(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["model.py", *arguments])
    model.main()


def sentence(monkeypatch, *arguments):
    """Train, and return the sentence that it ends with."""
    with pytest.raises(SystemExit) as stop:
        train(monkeypatch, *arguments)
    said = stop.value.code
    assert isinstance(said, str)  # Python prints it, and exits with status 1
    assert said and "\n" not in said
    return said


def test_a_run_shows_the_sources_the_network_and_its_progress(tmp_path):
    # It does not matter if Keras is set to a backend that is not installed.
    status, out, err = run(
        checkout(tmp_path), "model.py", "--epochs", "2", KERAS_BACKEND="jax"
    )
    assert status == 0, err
    parts = [
        "Getting MNIST from OpenML",
        "  failed with URLError",
        "Getting MNIST from Keras's mirror",
        "  failed with Exception",
        "NOTE: using a SAMPLE of 5,000 images",
        "109,386",
        "Epoch 1/2",
        "Epoch 2/2",
        "Saved mnist.keras, trained and validated on 4,000 images.",
    ]
    places = [out.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    assert all(ord(c) >= 32 or c == "\n" for c in out)
    assert "Warning" not in err and "Traceback" not in err and "\nE0" not in err
    assert keras.models.load_model(tmp_path / "mnist.keras").name == "trained_on_4000"
    assert new_files(tmp_path) == set()


def test_two_runs_give_identical_weights(folder, monkeypatch, few_digits):
    weights = []
    for _ in range(2):
        train(monkeypatch, "--epochs", "2")
        weights.append(keras.models.load_model("mnist.keras").get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


def test_there_are_ten_epochs_by_default(folder, monkeypatch, few_digits):
    asked = []
    monkeypatch.setattr(model, "train_model", lambda *args: asked.append(args[3]))
    train(monkeypatch)
    train(monkeypatch, "--epochs", "3")
    assert asked == [10, 3]


@pytest.mark.parametrize(
    "arguments",
    [["--epochs"], ["--rate", "1"], ["3"]]
    + [
        [f"--epochs={n}"]
        for n in ("0", "-1", "2.5", "", " ", "ten", "1e3", "nan", "\u00b2")
    ],
)
def test_other_arguments_are_usage_errors(monkeypatch, capsys, arguments):
    monkeypatch.setattr(model, "fetch_data", None)  # which must not be called
    with pytest.raises(SystemExit) as stop:
        train(monkeypatch, *arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "usage: " in said
    assert "argument --epochs: " in said or "epochs" not in arguments[0]


@pytest.mark.parametrize(
    "kind", ["a folder", "in a folder that is not there", "write-protected"]
)
def test_an_unusable_place_for_the_model_is_reported_at_once(folder, monkeypatch, kind):
    monkeypatch.setattr(model, "fetch_data", None)  # which must not be called
    path = Path("mnist.keras")
    if kind == "a folder":
        path.mkdir()
    elif kind == "write-protected":
        path.touch(mode=0o444)
        if os.access(path, os.W_OK):
            pytest.skip("this user may write everywhere")
    else:
        path.symlink_to("nowhere/mnist.keras")
    before = sorted(folder.rglob("*"))
    said = sentence(monkeypatch)
    assert said.startswith("mnist.keras cannot be saved here: ")
    assert sorted(folder.rglob("*")) == before


def test_a_link_stays_a_link(folder, monkeypatch, few_digits):
    Path("elsewhere").mkdir()
    Path("mnist.keras").symlink_to("elsewhere/best.keras")
    train(monkeypatch, "--epochs", "1")
    assert Path("mnist.keras").is_symlink()
    assert [path.name for path in Path("elsewhere").iterdir()] == ["best.keras"]
    keras.models.load_model("elsewhere/best.keras")


def test_weights_that_are_not_finite_are_not_saved(folder, monkeypatch, few_digits):
    Path("mnist.keras").write_bytes(OLD)
    keras.config.set_dtype_policy("float16")  # as a floatx in ~/.keras/keras.json does
    try:
        assert "not finite" in sentence(monkeypatch, "--epochs", "1")
    finally:
        keras.config.set_dtype_policy("float32")
    assert Path("mnist.keras").read_bytes() == OLD


def test_a_disk_that_fills_up_leaves_the_old_model(folder, monkeypatch, few_digits):
    resource = pytest.importorskip("resource")  # which Windows does not have
    Path("mnist.keras").write_bytes(OLD)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        said = sentence(monkeypatch, "--epochs", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said.startswith("mnist.keras could not be saved: ")
    assert [path.name for path in folder.iterdir()] == ["mnist.keras"]
    assert Path("mnist.keras").read_bytes() == OLD


def test_the_old_model_stays_until_the_new_one_is_whole(
    folder, monkeypatch, few_digits
):
    checkout(folder)
    Path("mnist.keras").write_bytes(OLD)
    replace, seen = os.replace, []

    def look_first(new, old):  # at what would be left if the computer crashed now
        network = keras.models.load_model(new)
        seen.append((Path(old).read_bytes(), network.name, new_files(folder)))
        replace(new, old)

    monkeypatch.setattr(os, "replace", look_first)
    train(monkeypatch, "--epochs", "1")
    assert seen == [(OLD, "trained_on_400", set())]
    assert keras.models.load_model("mnist.keras").name == "trained_on_400"
    assert not list(folder.glob("mnist.partial.*"))


@needs_signals
def test_ctrl_c_stops_the_run_without_a_traceback(tmp_path):
    checkout(tmp_path)
    (tmp_path / "mnist.keras").write_bytes(OLD)
    status, _, err = interrupted(tmp_path, "model.py", "stdout", "Getting MNIST")
    assert status == 1
    assert err.endswith("\nInterrupted.\n") and "Traceback" not in err
    assert (tmp_path / "mnist.keras").read_bytes() == OLD


@needs_signals
@pytest.mark.parametrize("script", ["model.py", "test_model.py"])
def test_ctrl_c_stops_the_imports_without_a_traceback(tmp_path, script):
    status, _, err = interrupted(checkout(tmp_path), script, "stderr", "numpy")
    assert status == -signal.SIGINT
    assert "Traceback" not in err
