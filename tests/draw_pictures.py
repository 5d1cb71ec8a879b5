"""Draw the README's pictures, and record its numbers, from the current scripts.

python tests/draw_pictures.py    takes about ten minutes, on all of MNIST

It writes figures/ and whole_run.json beside this file; check_readme.py reads them.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent))

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageChops
from test_own_digits import Mouse

import model
import test_model

LOSS = "sparse_categorical_crossentropy"
PICTURES = sorted(map(str, (TESTS / "pictures").iterdir()))


def keep(file, name):
    """Keep a picture for the README, in 64 colours, which makes it small."""
    picture = Image.open(file).convert("RGB").quantize(64)
    picture.save(TESTS / "figures" / name, optimize=True)


def save(fig, name, dpi=100):
    with tempfile.TemporaryFile() as file:
        fig.savefig(file, dpi=dpi)
        keep(file, name)


def show(ax, pixels, title=""):
    ax.imshow(np.reshape(pixels, (28, 28)), cmap="gray", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])


def draw_data(X, y, network):
    """Draw digits of MNIST beside an own digit and its answer; one with its numbers."""
    fig, axs = plt.subplot_mosaic(
        "01234##\n56789##", figsize=(10, 3.2), layout="constrained"
    )
    for digit in range(10):
        show(axs[str(digit)], X[y == digit][1])
    picture = Image.open(TESTS / "pictures" / "three.png")
    axs["#"].imshow(picture.convert("RGB"))
    answer = test_model.read(network, picture)[2]
    axs["#"].set(title=f"An own digit: {answer}", xticks=[], yticks=[])
    axs["2"].set_title("Digits of MNIST")
    save(fig, "digits.png")

    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
    show(left, X[y == 3][0], "What we see")
    show(right, X[y == 3][0], "What the network gets")
    right.images[0].set_alpha(0.25)
    for row, column in np.ndindex(28, 28):
        number = f"{255 * X[y == 3][0][28 * row + column]:.0f}"
        right.text(column, row, number, size=5.5, ha="center", va="center")
    save(fig, "numbers.png", dpi=130)


def draw_network():
    """Draw one unit, and the chain of layers."""
    fig, (unit, chain) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    arrow = {"arrowstyle": "->", "color": "grey"}
    look = {"facecolor": "#dcebf7", "edgecolor": "#1f5a99"}
    text = {"ha": "center", "va": "center", "size": 13}
    for y, number, weight in (2, "0.0", "0.3"), (1, "0.8", "-0.5"), (0, "1.0", "0.9"):
        unit.text(0, y, number, **text)
        unit.annotate("", (1.75, 1), (0.2, y), arrowprops=arrow)
        unit.text(1, 0.7 * y + 0.45, f"x {weight}", **text)
    words = "sum 0.5\n+ bias 0.1\n= 0.6"
    unit.text(2.35, 1, words, bbox={"boxstyle": "round,pad=0.6", **look}, **text)
    unit.annotate("", (4.1, 1), (2.95, 1), arrowprops=arrow)
    unit.text(3.5, 1.15, "relu", **text)
    unit.text(4.35, 1, "0.6", **text)
    unit.set(xlim=(-0.4, 4.7), ylim=(-0.5, 2.7), title="One unit with three inputs")
    words = "pixels", "units, relu", "units, relu", "units, softmax"
    for x, (size, word) in enumerate(zip((784, 128, 64, 10), words)):
        height = np.log(size) / 3
        chain.bar(x, height, 0.3, -height / 2, **look)
        chain.text(x, 0, size, **text)
        chain.text(x, -1.4, word, **text)
        chain.annotate(
            "", (x + 0.83, 0), (x + 0.17, 0), arrowprops=arrow if x < 3 else None
        )
    chain.set(ylim=(-1.6, 1.4), title="The chain of layers")
    for ax in unit, chain:
        ax.axis("off")
    save(fig, "network.png")


def draw_steps(path):
    """Draw what `prepare` makes of a picture, step by step, from its own variables."""
    found = {}

    def remember(frame, event, _):
        if event == "return" and frame.f_code is test_model.prepare.__code__:
            found.update(frame.f_locals)

    sys.setprofile(remember)
    pixels = test_model.prepare(Image.open(path))
    sys.setprofile(None)
    page, paper = found["page"], found["paper"]
    difference = np.max(ImageChops.difference(page, paper), axis=2)
    images = page, paper, difference, found["ink"], pixels.reshape(28, 28)
    titles = "1. The picture", "2. Its paper", "3. What differs", "4. The digit alone"
    fig, axs = plt.subplots(1, 5, figsize=(13, 2.6), layout="constrained")
    for ax, image, title in zip(axs, images, [*titles, "5. Like MNIST's"]):
        ax.imshow(image, cmap="gray")
        ax.set_title(title, size=15)
        ax.set(xticks=[], yticks=[])
    save(fig, "steps.png")


def draw_window(network):
    """Draw the window of --draw, after a 7 and its bar were drawn with the mouse."""
    mouse = Mouse(network)
    mouse.draw((0.2, 0.8), (0.75, 0.82), (0.4, 0.15))
    mouse.draw((0.3, 0.5), (0.7, 0.52))
    save(mouse.fig, "window.png")


def run(folder, *command):
    """Run a script in `folder` as a user would, and return what it prints."""
    command = [sys.executable, str(TESTS.parent / command[0]), *command[1:]]
    return subprocess.check_output(command, cwd=folder, text=True)


def train_like_the_blog(network, X, y):
    network.compile("adamax", LOSS, steps_per_execution=15)
    network.fit(X, y, batch_size=32, epochs=10, validation_split=0.2, verbose=0)


def train_with_a_constant_rate(network, X, y):
    network.compile(keras.optimizers.Adam(0.003), LOSS, steps_per_execution=15)
    network.fit(X, y, batch_size=240, epochs=10, validation_split=0.1, verbose=0)


def accuracies(data, train, scale=1):
    """Return the test accuracy of three networks whose pixels go up to `scale`."""
    X_train, X_test, y_train, y_test = data
    found = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        network = model.build_model()
        train(network, X_train * np.float32(scale), y_train)
        answers = network.predict(X_test * np.float32(scale), verbose=0).argmax(axis=1)
        found.append(float(np.mean(answers == y_test)))
    return found


def main():
    data = model.fetch_data()
    record = {}
    with tempfile.TemporaryDirectory() as folder:
        record["50 epochs"] = run(folder, "model.py", "--epochs", "50")
        keep(Path(folder, "learning_curve.png"), "learning_curve_50.png")
        record["training"] = run(folder, "model.py")
        record["test"] = run(folder, "test_model.py")
        record["own digits"] = run(folder, "test_model.py", *PICTURES)
        record["own digits"] = record["own digits"].replace(f"{TESTS.parent}/", "")
        for path in Path(folder).glob("*.png"):
            keep(path, path.name)
        network = keras.models.load_model(Path(folder, "mnist.keras"))
    y_pred = network.predict(data[1], verbose=0).argmax(axis=1)
    matrix = test_model.metrics.confusion_matrix(data[3], y_pred)
    record["confusion matrix"] = [" ".join(map(str, row)) for row in matrix]
    draw_data(data[0], data[2], network)
    draw_network()
    draw_steps(TESTS / "pictures" / "four.jpg")
    draw_window(network)
    record["accuracies"] = {
        "the blog's: pixels": accuracies(data, train_like_the_blog, 255),
        "the blog's, but with pixels up to 1": accuracies(data, train_like_the_blog),
        "ours: pixels": accuracies(data, model.train_model),
        "ours, but with pixels up to 255": accuracies(data, model.train_model, 255),
        "ours, but with a constant": accuracies(data, train_with_a_constant_rate),
    }
    (TESTS / "whole_run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
