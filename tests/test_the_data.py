"""MNIST arrives, whatever the internet does, and is split as in the blog."""

import socket
import zlib
from pathlib import Path
from urllib.error import URLError

import keras
import numpy as np
import pytest
from conftest import openml
from sklearn.model_selection import train_test_split

import model

X, y = openml("mnist_784")


@pytest.fixture(autouse=True)
def internet(monkeypatch, folder):
    """OpenML has 5,000 digits, and Keras's mirror the first 4,900 of them."""
    parts = (X[:4000], y[:4000]), (X[4000:4900], y[4000:4900])
    mirror = tuple((X.reshape(-1, 28, 28), y.astype("uint8")) for X, y in parts)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: mirror)
    monkeypatch.setattr(openml, "fault", None)


def assert_data_is(X, y):
    """Check that `fetch_data` returns the blog's split of these images and labels."""
    blogs = train_test_split(X / 255, y.astype(int), test_size=0.2, random_state=42)
    for ours, theirs in zip(model.fetch_data(), blogs, strict=True):
        assert ours.dtype == ("float32" if ours.ndim == 2 else "int64")
        assert np.allclose(ours, theirs, rtol=1e-6, atol=0)


def test_openml_is_asked_once_and_not_waited_for_too_long():
    socket.setdefaulttimeout(None)
    openml.asked.clear()
    assert_data_is(X, y)
    assert_data_is(X, y)
    ((name, options, timeout),) = openml.asked
    assert name == "mnist_784" and options["version"] == 1 and 0 < timeout <= 13
    assert options["read_csv_kwargs"] == {"dtype": "uint8"}, "pandas 3.1 would fail."


@pytest.mark.parametrize("size", [0, 5000])
@pytest.mark.filterwarnings("ignore:Exception while loading")  # joblib's own
def test_kept_images_that_were_damaged_are_replaced(size):
    model.fetch_data()
    (path,) = Path("cache").rglob("output.pkl")
    path.write_bytes(path.read_bytes()[:size])
    assert_data_is(X, y)
    openml.fault = OSError("OpenML is down.")
    assert_data_is(X, y)


@pytest.mark.parametrize("fault", [URLError("offline"), zlib.error("damaged"), None])
def test_the_mirror_has_the_same_images(capsys, fault):
    openml.fault = fault
    if fault is None:  # then the folder for the kept images can't be made
        Path("cache").write_text("a file in its place")
    assert_data_is(X[:4900], y[:4900])
    lines = capsys.readouterr().out.splitlines()
    assert "OpenML" in lines[0] and "Keras's mirror" in lines[2]
    assert (repr(fault) if fault else "Error") in lines[1]


def test_the_sample_comes_last_and_cannot_be_missed(monkeypatch, capsys):
    openml.fault = OSError("OpenML is down.")
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: 1 / 0)
    assert_data_is(X, y)
    printed = capsys.readouterr().out
    assert "OpenML is down." in printed and "division by zero" in printed
    assert "SAMPLE of only 5,000" in printed
