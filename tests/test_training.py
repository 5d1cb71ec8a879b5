"""`python model.py` trains the blog's network, which learns to read, and saves it."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ROOT, run

import model


def test_the_network_and_its_training_are_those_of_the_page(data, trained):
    changed = "You have changed them. That's fine: only this test should fail."
    layers = [
        (type(layer).__name__, layer.count_params(), layer.get_config())
        for layer in model.build_model().layers
    ]
    assert [(name, params) for name, params, _ in layers] == [
        ("Dense", 100_480),
        ("Dropout", 0),
        ("Dense", 8_256),
        ("Dense", 650),
    ], changed
    activations = [config.get("activation") for _, _, config in layers]
    assert activations == ["relu", None, "relu", "softmax"], changed
    assert layers[1][2]["rate"] == 0.2, changed

    # A batch is all images in a new order, moved alike by up to a pixel each way.
    X, y = data[0][:20], data[2][:20]
    moves, orders = set(), set()
    for (images, labels), _ in zip(model.moved_batches(X, y, 20), range(80)):
        for move in (right + 28 * down for right in (-1, 0, 1) for down in (-1, 0, 1)):
            same = [np.abs(np.roll(X, move, axis=1) - image).sum(1) for image in images]
            if np.min(same, axis=1).max() == 0:
                order = np.argmin(same, axis=1)
                assert sorted(order) == list(range(20)) and all(labels == y[order])
                moves.add(move)
                orders.add(tuple(order))
    assert len(moves) == 9 and len(orders) > 9, changed

    accuracies = re.findall(r"val_accuracy: ([\d.]+)", trained[1])
    assert len(accuracies) == 10 and float(accuracies[-1]) > 0.9, changed
    assert "\n15/15 - " in trained[1], changed  # batches of 240, of 3,600 images


def test_what_is_saved_was_trained_and_validated_on_the_last_tenth(trained, data):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    loss, *_ = network.evaluate(data[0][3600:], data[2][3600:], verbose=0)
    printed = re.findall(r"val_loss: ([\d.]+)", trained[1])[-1]
    assert abs(loss - float(printed)) < 0.001


def test_the_learning_rate_falls(trained):
    rates = [float(rate) for rate in re.findall(r"learning_rate: (\S+)", trained[1])]
    assert rates == sorted(rates, reverse=True) and rates[0] > 5 * rates[-1] > 0


def test_it_prints_one_line_an_epoch(folder, data, capsys):
    assert run(model, "--epochs", "3") == 0
    out = capsys.readouterr().out
    assert out.count("val_loss") == 3 and "Epoch 3/3" in out
    assert not {c for c in out if ord(c) < 32 and c != "\n"}


@pytest.mark.parametrize("epochs", [1, 10])
def test_the_learning_curve_shows_every_metric(folder, epochs):
    names = ["loss", "error", "val_loss", "val_error"]
    values = np.random.default_rng(0).random((4, epochs))
    history = dict(zip(names, values)) | {"learning_rate": [0.1] * epochs}
    model.plot_learning_curve(history)
    lines = {line.get_label(): line for ax in plt.gcf().axes for line in ax.lines}
    for name in names:
        assert np.array_equal(lines[name].get_ydata(), history[name])
        assert list(lines[name].get_xdata()) == list(range(1, epochs + 1))
    for ax in plt.gcf().axes:
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == round(tick) for tick in ticks)
        marked = [
            line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"
        ]
        assert marked == [1 + np.argmin(history["val_loss"])]


def test_the_same_number_gives_the_same_weights_and_another_others(
    folder, data, monkeypatch
):
    set_random_seed, weights = keras.utils.set_random_seed, []
    for change in (0, 0, 1):
        monkeypatch.setattr(
            keras.utils, "set_random_seed", lambda n, d=change: set_random_seed(n + d)
        )
        assert run(model, "--epochs", "1") == 0
        weights.append(keras.models.load_model("mnist.keras").get_weights())
    one, again, other = weights
    assert all(map(np.array_equal, one, again)), "Two runs differ."
    assert not all(map(np.array_equal, one, other))


@pytest.mark.parametrize("epochs", ["0", "-3", "2.5"])
def test_it_asks_for_at_least_one_epoch(folder, capsys, epochs):
    assert run(model, "--epochs", epochs) == 2
    out, err = capsys.readouterr()
    assert "--epochs" in err and out == "" and not list(folder.iterdir())


def test_the_old_network_stays_when_the_disk_is_full(folder, data):
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    Path("mnist.keras").write_bytes(b"the old network")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, limits[1]))
    try:
        said = run(model, "--epochs", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "mnist.keras could not be saved" in str(said) and "\n" not in said
    assert Path("mnist.keras").read_bytes() == b"the old network"


def test_the_old_network_stays_when_keras_would_not_load_the_new_one(
    folder, data, monkeypatch
):
    Path("mnist.keras").write_bytes(b"the old network")
    network = model.build_model()
    double = keras.layers.Lambda(lambda images: 2 * images)
    changed = keras.Sequential([keras.Input(shape=(784,)), double, *network.layers])
    changed.compile("adam", "sparse_categorical_crossentropy")
    monkeypatch.setattr(model, "build_model", lambda: changed)
    with pytest.raises(ValueError, match="Lambda"):
        run(model, "--epochs", "1")
    assert Path("mnist.keras").read_bytes() == b"the old network"


def test_importing_the_scripts_does_nothing(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import model, test_model"
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=tmp_path) == b""
    assert not list(tmp_path.iterdir())
