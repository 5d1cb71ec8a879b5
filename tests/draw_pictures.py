"""Draw the README's pictures, and record its numbers, from the current scripts.

python tests/draw_pictures.py    takes about ten minutes, on all of MNIST

It writes figures/ and whole_run.json beside this file; .ci/check_readme.py reads them.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
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
    axs["#"].set(title=f"Drawn by hand: {answer}", xticks=[], yticks=[])
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
    look = {"facecolor": "#dcebf7", "edgecolor": "#1f5a99"}
    text = {"ha": "center", "va": "center", "size": 13}
    arrow = {"arrowstyle": "->", "color": "grey"}
    for y, product in enumerate(["1.0 x 0.9", "0.8 x -0.5", "0.0 x 0.3"]):
        unit.text(0, y, product, **text)
        unit.annotate("", (1.75, 1), (0.55, y), arrowprops=arrow)
    box = {"boxstyle": "round,pad=0.6"} | look
    unit.text(2.35, 1, "sum 0.5\n+ bias 0.1\n= 0.6", bbox=box, **text)
    unit.annotate("", (3.6, 1), (2.95, 1), arrowprops=arrow)
    unit.text(4.1, 1, "relu: 0.6", **text)
    unit.set(xlim=(-0.6, 4.6), ylim=(-0.5, 2.6), title="One unit: inputs x weights")
    sizes = np.array([784, 128, 64, 10])
    chain.bar(range(4), np.log(sizes), 0.4, -np.log(sizes) / 2, **look)
    layers = "pixels", "units, relu", "units, relu", "units, softmax"
    for x, layer in enumerate(layers):
        chain.text(x, 0, sizes[x], **text)
        chain.text(x, -4, layer, **text)
    for x in range(3):
        chain.annotate("", (x + 0.78, 0), (x + 0.22, 0), arrowprops=arrow)
    chain.set(xlim=(-0.5, 3.6), ylim=(-4.5, 4), title="The chain of layers")
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


def accuracies(data, scale=1, batch_size=None, optimizer=None, share=0.1):
    """Return the test accuracy of three networks: without an optimizer, by our recipe."""
    X_train, X_test, y_train, y_test = data
    found = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        network = model.build_model()
        if optimizer:
            loss = "sparse_categorical_crossentropy"
            network.compile(optimizer(), loss, steps_per_execution=15)
            network.fit(
                X_train * np.float32(scale),
                y_train,
                batch_size,
                epochs=10,
                validation_split=share,
            )
        else:
            model.train_model(network, X_train * np.float32(scale), y_train)
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
    adamax, adam = keras.optimizers.Adamax, partial(keras.optimizers.Adam, 0.003)
    record["accuracies"] = {
        "the blog's: pixels": accuracies(data, 255, 32, adamax, 0.2),
        "the blog's, but with pixels up to 1": accuracies(data, 1, 32, adamax, 0.2),
        "ours: pixels": accuracies(data),
        "ours, but with pixels up to 255": accuracies(data, 255),
        "ours, but with a constant": accuracies(data, 1, 240, adam),
    }
    (TESTS / "whole_run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
