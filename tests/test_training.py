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

    def note(self, notes, data):
        images, labels = (np.array(array) for array in data)
        notes.append((images[0], np.argmax(labels) if labels.ndim == 2 else labels[0]))

    def train_step(self, data):
        self.note(self.trained, data)
        return super().train_step(data)

    def test_step(self, data):
        self.note(self.validated, data)
        return super().test_step(data)


@pytest.fixture(scope="module")
def witness(data):
    """It's shown one image of each digit, for 9 epochs. Labels tell which is which."""
    keras.utils.set_random_seed(42)
    witness = Witness([keras.Input((784,)), keras.layers.Dense(1)])
    witness.compile("sgd", lambda labels, output: output, run_eagerly=True)
    witness.trained, witness.validated = [], []
    witness.digits = data[0][[np.argmax(data[2] == digit) for digit in range(10)]]
    model.train_model(witness, witness.digits, np.arange(10), 9, batch_size=1)
    return witness


def test_each_epoch_has_all_but_the_last_tenth_in_a_new_order(witness):
    epochs = np.reshape([label for _, label in witness.trained], (9, 9)).tolist()
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in [range(9), *epochs]}) == 10
    assert [label for _, label in witness.validated] == [9] * 9
    assert all(np.array_equal(nine, witness.digits[9]) for nine, _ in witness.validated)


@pytest.mark.parametrize("n, batch_size", [(200, 1), (200, 7), (999, 240), (100, 999)])
def test_each_epoch_takes_as_many_steps_as_there_are_batches(data, n, batch_size):
    network = model.build_model()
    model.train_model(network, data[0][:n], data[2][:n], 2, batch_size)
    assert network.optimizer.iterations == 2 * np.ceil(n * 9 // 10 / batch_size)


def test_the_recipe_is_that_of_the_page(trained, witness, data):
    changed = "You've changed the recipe. That's fine: only this test should fail."
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
        network, few = model.build_model(), (data[0][:99], data[2][:99])
        rates = model.train_model(network, *few, epochs).get("learning_rate", [])
        page = 0.005 * np.arange(epochs, 0, -1) / epochs
        assert len(rates) == epochs and np.allclose(rates, page), changed
    # Images are shifted in one of nine ways, and all nine occur.
    ways, found = [x + 28 * y for x in (-1, 0, 1) for y in (-1, 0, 1)], set()
    more = [(model.shift(witness.digits[:1], [0])[0][0], 0) for _ in range(200)]
    for image, label in witness.trained + more:
        shifted = [np.roll(witness.digits[label], way) for way in ways]
        matches = [np.array_equal(image, other) for other in shifted]
        assert sum(matches) == 1, changed
        found.add(matches.index(True))
    assert len(found) == 9, changed


def test_what_was_trained_can_read(trained, measured, data):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    answers = network.predict(data[1], verbose=0).argmax(axis=1)
    accuracy = np.mean(answers == data[3])
    assert accuracy > 0.7, "It hardly learnt. Do labels match? Is the rate too small?"
    assert f"Accuracy: {accuracy:.2%} of 1,000 test images\n" in measured[0]
    rows = [ax.get_subplotspec().rowspan.start for ax in measured[1][2].axes]
    mistakes = np.sum(answers != data[3])
    assert rows == [i // 5 for i in range(min(15, mistakes))], "15 fill three rows."


def test_it_prints_a_line_for_each_epoch_and_draws_the_curves(trained):
    folder, printed, figure = trained
    epochs = printed.count("val_loss")
    assert printed.count("Epoch ") == epochs and "Epoch 1/10" in printed
    assert not [c for c in printed if ord(c) < 32 and c != "\n"], "control characters"
    lines = {line.get_label(): line for ax in figure.axes for line in ax.lines}
    for name in "loss", "accuracy", "val_loss", "val_accuracy":
        numbers = [float(value) for value in re.findall(rf"\b{name}: (\S+)", printed)]
        assert np.allclose(lines[name].get_ydata(), numbers, rtol=0, atol=1e-3)
        assert list(lines[name].get_xdata()) == list(range(1, epochs + 1))
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
