"""`python model.py` trains the blog's network, which learns to read, and saves it."""

import re
import runpy

import keras
import numpy as np
import pytest
from conftest import run

import model
import test_model


class Witness(keras.Sequential):
    """A network that learns nothing, but writes down which images it is given."""

    def train_step(self, data):
        self.trained.append([np.array(array) for array in data])
        return super().train_step(data)

    def test_step(self, data):
        self.validated.append([np.array(array) for array in data])
        return super().test_step(data)


@pytest.fixture(scope="module")
def witness(data):
    """It's shown 200 images for 4 epochs. Labels from 0 to 199 tell which is which."""
    keras.utils.set_random_seed(42)
    witness = Witness([keras.Input((784,)), keras.layers.Dense(1)])
    witness.compile("sgd", lambda labels, output: output, run_eagerly=True)
    witness.trained, witness.validated = [], []
    model.train_model(witness, data[0][:200], np.arange(200), 4, batch_size=2)
    for batch in witness.trained + witness.validated:
        if batch[1].ndim == 2:  # one-hot
            batch[1] = batch[1].argmax(axis=1)
    return witness


def test_each_epoch_has_all_but_the_last_tenth_in_a_new_order(witness, data):
    epochs = np.reshape([labels for _, labels in witness.trained], (4, 180))
    for number, labels in enumerate(epochs):
        assert sorted(labels) == list(range(180))
        others = [range(180), *np.delete(epochs, number, axis=0)]
        assert np.mean(labels == others) < 0.1, "Some of them are in the same order."
    images, labels = (np.concatenate(part) for part in zip(*witness.validated))
    assert np.array_equal(labels, np.tile(range(180, 200), 4))
    assert np.array_equal(images, np.tile(data[0][180:200], (4, 1)))


@pytest.mark.parametrize("n, batch_size", [(200, 1), (200, 7), (999, 240), (100, 999)])
def test_each_epoch_takes_as_many_steps_as_there_are_batches(data, n, batch_size):
    network = model.build_model()
    model.train_model(network, data[0][:n], data[2][:n], 2, batch_size)
    assert network.optimizer.iterations == 2 * np.ceil(n * 9 // 10 / batch_size)


def test_the_recipe_is_that_of_the_page(trained, witness, data):
    changed = "You have changed the recipe. That's fine: only this test should fail."
    printed = " ".join(re.findall(r"[\w,().]+", trained[1]))
    first = "dense (Dense) (None, 128) 100,480 dropout (Dropout) (None, 128) 0 "
    second = "dense_1 (Dense) (None, 64) 8,256 dense_2 (Dense) (None, 10) 650"
    assert first + second in printed and "Total params 109,386" in printed, changed
    first, dropout, second, last = model.build_model().layers
    assert dropout.rate == 0.2, changed
    functions = [layer.activation.__name__ for layer in (first, second, last)]
    assert functions == ["relu", "relu", "softmax"], changed
    assert trained[1].count("\n15/15 - ") == 10, changed  # 3,600 images, 240 at a time
    for epochs in 4, 20:  # the learning rate falls in equal steps, but not to 0
        network = model.build_model()
        history = model.train_model(network, data[0][:99], data[2][:99], epochs)
        rates = 0.005 * np.arange(epochs, 0, -1) / epochs
        assert np.allclose(history.get("learning_rate", 0), rates), changed
    # All images of a batch are shifted in one of nine ways, and all nine happen.
    ways, found = [x + 28 * y for x in (-1, 0, 1) for y in (-1, 0, 1)], set()
    for images, labels in witness.trained:
        shifted = [np.roll(data[0][labels], way, axis=1) for way in ways]
        matches = [np.array_equal(images, others) for others in shifted]
        assert sum(matches) == 1, changed
        found.add(matches.index(True))
    assert len(found) == 9, changed


def test_what_was_trained_can_read(trained, measured, data):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    answers = network.predict(data[1], verbose=0).argmax(axis=1)
    accuracy = np.mean(answers == data[3])
    assert accuracy > 0.7, "It hardly learnt to read. Has each image its own label?"
    assert f"Accuracy: {accuracy:.2%} of 1,000 test images\n" in measured[0]
    mistakes = [ax.get_subplotspec().rowspan.start for ax in measured[1][2].axes]
    assert mistakes == 5 * [0] + 5 * [1] + 5 * [2], "They should fill three rows."


def test_it_prints_a_line_for_each_epoch_and_draws_the_curves(trained):
    folder, printed, figure = trained
    assert printed.count("val_loss") == 10 and "Epoch 10/10" in printed
    assert not [c for c in printed if ord(c) < 32 and c != "\n"], "control characters"
    lines = {line.get_label(): line for ax in figure.axes for line in ax.lines}
    for name in "loss", "accuracy", "val_loss", "val_accuracy":
        numbers = [float(value) for value in re.findall(rf"\b{name}: (\S+)", printed)]
        assert np.allclose(lines[name].get_ydata(), numbers, rtol=0, atol=1e-3)
        assert list(lines[name].get_xdata()) == list(range(1, 11))
    assert (folder / "learning_curve.png").stat().st_size > 10_000


def test_two_runs_end_with_the_same_weights(folder, monkeypatch):
    monkeypatch.setattr("sys.argv", ["model.py", "--epochs", "2"])
    weights = []
    for _ in range(2):
        runpy.run_path(model.__file__, run_name="__main__")
        weights.append(keras.models.load_model("mnist.keras").get_weights())
    assert all(map(np.array_equal, *weights))


@pytest.mark.parametrize("epochs", ["0", "-3", "2.5", ""])
def test_it_asks_for_at_least_one_epoch(folder, capsys, epochs):
    assert run(model, "--epochs", epochs) == 2
    assert "--epochs" in capsys.readouterr().err and not list(folder.iterdir())


def test_the_scripts_do_nothing_when_imported(folder, capsys):
    for script in model, test_model:
        runpy.run_path(script.__file__)
    assert capsys.readouterr() == ("", "") and not list(folder.iterdir())
