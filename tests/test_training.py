"""`python model.py` trains the blog's network, which learns to read, and saves it."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT

import model
import test_model

pytestmark = pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")


def test_the_network_is_the_one_of_the_blog():
    layers = [
        (type(layer).__name__, layer.output.shape[1], layer.count_params())
        for layer in model.build_model().layers
    ]
    assert layers == [
        ("Dense", 128, 100_480),
        ("Dropout", 128, 0),
        ("Dense", 64, 8_256),
        ("Dense", 10, 650),
    ], "You have changed the network. That's fine: only this test should fail."


def test_it_learns_to_read(network, data):
    _, X_test, _, y_test = data
    probabilities = network.predict(X_test, verbose=0)
    assert probabilities.shape == (1000, 10)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == y_test) > 0.8  # by chance: 0.1


def test_it_trains_and_saves(run, data, folder, capsys):
    assert run(model, "--epochs", "3") == 0
    out = capsys.readouterr().out
    progress = [line for line in out.splitlines() if "val_loss" in line]
    assert len(progress) == 3 and "Epoch 3/3" in out
    assert not {c for c in out if ord(c) < 32 and c != "\n"}
    assert {path.name for path in folder.iterdir()} == {
        "mnist.keras",
        "learning_curve.png",
    }
    assert run(test_model) == 0  # because it knows which images the network has seen
    assert "1,000 test images" in capsys.readouterr().out


def test_two_runs_end_with_the_same_weights(run, data):
    weights = []
    for _ in range(2):
        assert run(model, "--epochs", "1") == 0
        weights.append(keras.models.load_model("mnist.keras").get_weights())
    assert all(np.array_equal(one, other) for one, other in zip(*weights))


@pytest.mark.parametrize("epochs", ["0", "-3", "2.5", "", "ten"])
def test_it_asks_for_at_least_one_epoch(run, folder, capsys, epochs):
    assert run(model, "--epochs", epochs) == 2
    out, err = capsys.readouterr()
    assert "--epochs" in err and out == "" and not list(folder.iterdir())


def test_the_old_network_stays_when_the_disk_is_full(run, data, monkeypatch):
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    Path("mnist.keras").write_bytes(b"the old network")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        status = run(model, "--epochs", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "mnist.keras could not be saved" in status and "\n" not in status
    assert Path("mnist.keras").read_bytes() == b"the old network"


def test_importing_the_scripts_does_nothing(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import model, test_model"
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=tmp_path) == b""
    assert not list(tmp_path.iterdir())
