"""`python model.py` trains the blog's network, which learns to read, and saves it."""

import random
import re
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, run
from PIL import Image

import model

N = 200  # so many images; the last 20 are for validation


class Witness(keras.Sequential):
    """A network that writes down what it is given, to learn from and for validation."""

    def train_step(self, data):
        self.learnt.append([np.array(array) for array in data])
        return super().train_step(data)

    def test_step(self, data):
        self.validated.append([np.array(array) for array in data])
        return super().test_step(data)


@pytest.fixture(scope="module")
def seen(data):
    """What a network is given in 4 epochs: 200 real images, labelled from 0 to 199."""
    keras.utils.set_random_seed(42)
    witness = Witness([keras.Input(shape=(784,)), keras.layers.Dense(N, "softmax")])
    witness.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    witness.learnt, witness.validated = [], []
    model.train_model(witness, data[0][:N], np.arange(N), 4, batch_size=2)
    return witness


def test_the_training_is_that_of_the_page(data, trained, measured, seen):
    changed = "You have changed them. That's fine: only this test should fail."
    network = model.build_model()
    configs = [layer.get_config() for layer in network.layers]
    found = [(c.get("units", c.get("rate")), c.get("activation")) for c in configs]
    page = [(128, "relu"), (0.2, None), (64, "relu"), (10, "softmax")]
    assert found == page and network.count_params() == 109_386, changed
    assert trained[1].count("\n15/15 - ") == 10, changed  # 240 images in each batch
    rates = [float(rate) for rate in re.findall(r"learning_rate: (\S+)", trained[1])]
    page = np.linspace(0.005, 0.0005, 10)
    assert len(rates) == 10 and np.allclose(rates, page, rtol=0.1), changed
    # The images of a batch have moved alike, by up to a pixel, and in all nine ways.
    padded = np.pad(data[0][:N].reshape(N, 28, 28), ((0, 0), (1, 1), (1, 1)))
    middles = [padded[:, 5 - y : 27 - y, 5 - x : 27 - x] for y, x in np.ndindex(3, 3)]
    ways = []
    for images, labels in seen.learnt:
        middle = images.reshape(-1, 28, 28)[:, 3:25, 3:25]
        ways.append([np.array_equal(moved[labels], middle) for moved in middles])
    assert np.all(np.sum(ways, axis=1) == 1), changed
    assert np.all(np.any(ways[:90], axis=0)), changed  # even in one epoch
    assert "NOTE" not in measured[0], "test_model.py doubts model.py's own network."


def test_each_epoch_has_all_images_anew_but_the_last_tenth(data, seen):
    labels = np.concatenate([labels for _, labels in seen.learnt]).reshape(4, -1)
    assert np.array_equal(np.sort(labels), np.tile(np.arange(180), (4, 1)))
    assert np.abs(np.corrcoef(labels)[np.triu_indices(4, 1)]).max() < 0.6
    images, labels = (np.concatenate(arrays) for arrays in zip(*seen.validated))
    assert np.array_equal(labels, np.tile(np.arange(180, 200), 4))
    assert np.array_equal(images, np.tile(data[0][180:N], (4, 1)))


def test_each_epoch_takes_as_many_steps_as_there_are_batches(data):
    network, steps = model.build_model(), 0
    sizes = [(N, 1), (N, 7), (N, 240), (1000, 240), (1000, 900), (1000, 10_000)]
    for n, batch_size in sizes:
        model.train_model(network, data[0][:n], data[2][:n], 1, batch_size)
        steps += -(-n * 9 // 10 // batch_size)
        assert int(network.optimizer.iterations.numpy()) == steps, (n, batch_size)


def test_what_was_trained_can_read(trained, measured, data):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    answers = network.predict(data[1], verbose=0).argmax(axis=1)
    accuracy = np.mean(answers == data[3])
    assert accuracy > 0.7, "It hardly learnt to read. Has each image its own label?"
    assert f"Accuracy: {accuracy:.2%} of 1,000 test images\n" in measured[0]


def test_it_prints_a_line_for_each_epoch_and_draws_the_curves(trained):
    folder, out, figure = trained
    assert out.count("val_loss") == 10 and "Epoch 10/10" in out
    assert not {c for c in out if ord(c) < 32 and c != "\n"}
    lines = {line.get_label(): line for ax in figure.axes for line in ax.lines}
    for name in "loss", "accuracy", "val_loss", "val_accuracy":
        printed = [float(value) for value in re.findall(rf"\b{name}: (\S+)", out)]
        assert np.allclose(lines[name].get_ydata(), printed, rtol=0, atol=1e-3)
        assert list(lines[name].get_xdata()) == list(range(1, 11))
    lowest = lines["lowest val_loss"].get_xdata()[0]
    assert lowest == 1 + np.argmin(lines["val_loss"].get_ydata())
    assert len(Image.open(folder / "learning_curve.png").getcolors(10**6)) > 2
    assert not Path(folder, "mnist.partial.keras").exists()


def test_two_runs_end_with_the_same_weights(folder, data, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["model.py", "--epochs", "2"])
    weights = []
    for _ in range(2):
        random.seed(0)  # only for layers that an exercise makes before `main` begins
        runpy.run_path(str(ROOT / "model.py"), run_name="__main__")
        assert capsys.readouterr().out.count("val_loss") == 2
        weights.append(keras.models.load_model("mnist.keras").get_weights())
    assert all(map(np.array_equal, *weights))


@pytest.mark.parametrize("epochs", ["0", "-3", "2.5"])
def test_it_asks_for_at_least_one_epoch(folder, capsys, epochs):
    assert run(model, "--epochs", epochs) == 2
    assert capsys.readouterr().out == "" and not list(folder.iterdir())


def test_the_old_network_stays_if_the_new_is_lost(folder, data, monkeypatch):
    def save(network, path):
        Path(path).write_bytes(b"half")
        raise OSError("The disk is full.")

    Path("mnist.keras").write_bytes(b"the old network")
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", save)
        assert "mnist.keras could not be saved" in run(model, "--epochs", "1")
    assert Path("mnist.keras").read_bytes() == b"the old network"
    # The same holds for a network that Keras would save, but not load.
    layers = keras.layers.Lambda(lambda images: 2 * images), keras.layers.Dense(10)
    changed = keras.Sequential([keras.Input(shape=(784,)), *layers])
    changed.compile("adam", "sparse_categorical_crossentropy")
    monkeypatch.setattr(model, "build_model", lambda: changed)
    with pytest.raises(ValueError, match="Lambda"):
        run(model, "--epochs", "1")
    assert Path("mnist.keras").read_bytes() == b"the old network"


def test_the_scripts_do_nothing_when_imported(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["a script", "--help"])
    for script in "model.py", "test_model.py":
        runpy.run_path(str(ROOT / script))
        assert capsys.readouterr() == ("", "") and not list(folder.iterdir())
        with pytest.raises(SystemExit):
            runpy.run_path(str(ROOT / script), run_name="__main__")
        assert "usage" in capsys.readouterr().out
