"""MNIST arrives, whatever the internet does, and is split as in the blog."""

import hashlib
import socket

import keras
import numpy as np
import pytest
from internet import ARFF, LIST, MIRROR, internet, mirror_file, openml_files
from sklearn.model_selection import train_test_split

import model


@pytest.fixture
def sources(digits, monkeypatch, tmp_path):
    """OpenML with 200 real digits, and Keras's mirror with the first 190 of them."""
    X, y = digits[0][::25], digits[1][::25]
    mirror = mirror_file(X[:190], y[:190])

    def load_data():
        # Like Keras's own, which accepts only the checksum of the real file.
        path = keras.utils.get_file(
            "mnist.npz",
            origin=f"https://storage.googleapis.com{MIRROR}",
            file_hash=hashlib.sha256(mirror).hexdigest(),
            cache_dir=tmp_path,
        )
        with np.load(path) as file:
            names = ("x_train", "y_train"), ("x_test", "y_test")
            return tuple((file[images], file[labels]) for images, labels in names)

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "data"))
    with internet(openml_files(X, y) | {MIRROR: mirror}) as server:
        yield server


def assert_same(fetched, X, y):
    """Check that `fetched` holds the images X and labels y, scaled, in any order."""
    images, labels = np.concatenate(fetched[:2]), np.concatenate(fetched[2:])
    assert images.dtype == "float32" and labels.dtype == "int64"
    assert len(fetched[1]) == len(fetched[3]) == 0.2 * len(X)
    ours, theirs = np.c_[np.round(images * 255), labels], np.c_[X, y]
    assert sorted(ours.tolist()) == sorted(theirs.tolist())


def test_the_split_is_the_blogs_with_pixels_from_0_to_1(data, digits):
    blogs = train_test_split(*digits, test_size=0.2, random_state=42)
    for ours, theirs, scale in zip(data, blogs, (255, 255, 1, 1)):
        assert ours.dtype == ("float32" if scale == 255 else "int64")
        assert np.allclose(ours, theirs / scale, rtol=1e-6, atol=0)
    assert data[0].shape == (4000, 784) and data[1].shape == (1000, 784)


def test_openml_comes_first_and_is_asked_only_once(sources, digits, capsys):
    expected = digits[0][::25], digits[1][::25]
    assert_same(model.fetch_data(), *expected)
    sources.files = {}
    assert_same(model.fetch_data(), *expected)
    assert "failed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "path, fault", [(LIST, 412), (LIST, "html"), (ARFF, 503), (ARFF, "half")]
)
def test_the_mirror_takes_over_when_openml_fails(sources, digits, capsys, path, fault):
    sources.faults = {path: fault}
    assert_same(model.fetch_data(), digits[0][::25][:190], digits[1][::25][:190])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert "OpenML" in lines[0] and "failed" in lines[1] and "mirror" in lines[2]


def test_the_sample_takes_over_when_both_fail(sources, digits, capsys):
    sources.files = {}
    assert_same(model.fetch_data(), *digits)
    out = capsys.readouterr().out
    assert out.count("failed") == 2 and "SAMPLE of 5,000 images" in out


def test_a_download_that_was_cut_short_is_replaced(sources, digits, tmp_path):
    model.fetch_data()
    (cached,) = tmp_path.rglob("*.arff.gz")
    cached.write_bytes(cached.read_bytes()[:5000])
    assert_same(model.fetch_data(), digits[0][::25], digits[1][::25])


def test_a_silent_server_is_given_up_on(data):
    socket.setdefaulttimeout(None)
    model.fetch_data()
    # Before they give up, scikit-learn and Keras wait up to nine times.
    assert 0 < socket.getdefaulttimeout() <= 13
