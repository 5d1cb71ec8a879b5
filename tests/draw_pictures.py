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
from matplotlib.backend_bases import MouseEvent
from PIL import Image, ImageChops

import model
import test_model

PICTURES = [str(TESTS / "pictures" / name) for name in os.listdir(TESTS / "pictures")]
PICTURES.sort()


def save(fig, name, dpi=100):
    """Save a figure for the README, in 64 colours, which keeps it small."""
    with tempfile.TemporaryFile() as file:
        fig.savefig(file, dpi=dpi)
        picture = Image.open(file).convert("RGB").quantize(64)
    picture.save(TESTS / "figures" / name, optimize=True)
    plt.close(fig)


def show(ax, pixels, title=""):
    ax.imshow(np.reshape(pixels, (28, 28)), cmap="gray", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])


def draw_data(X, y, network):
    """Draw digits of MNIST beside an own digit and its answer; one with its numbers."""
    fig, axs = plt.subplots(2, 7, figsize=(10, 3.2), layout="constrained")
    for digit, ax in enumerate(axs[:, :5].flat):
        show(ax, X[y == digit][1])
    for ax in axs[:, 5:].flat:
        ax.remove()
    ax = fig.add_subplot(axs[0, 5].get_gridspec()[:, 5:])
    picture = Image.open(TESTS / "pictures" / "three.png")
    ax.imshow(picture.convert("RGB"))
    ax.set(xticks=[], yticks=[])
    answer = test_model.read(network, picture)[2]
    ax.set_title(f'Somebody\'s own: "{answer}"', size=13)
    fig.suptitle("Digits of MNIST" + 64 * " ", size=13)
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
    for y, number, weight in (2, "0.0", "0.3"), (1, "0.8", "-0.5"), (0, "1.0", "0.9"):
        unit.text(0, y, number, ha="center", va="center", size=13)
        unit.annotate("", (1.75, 1), (0.2, y), arrowprops=arrow)
        unit.text(0.8, 1 + 0.62 * (y - 1) + 0.1, f"x {weight}", size=12)
    steps = "sum 0.5\n+ bias 0.1\n= 0.6"
    box = {"boxstyle": "round,pad=0.6", "facecolor": "#dcebf7", "edgecolor": "#1f5a99"}
    unit.text(2.35, 1, steps, ha="center", va="center", size=12, bbox=box)
    unit.annotate("relu", (4.1, 1), (2.95, 1.08), size=12, arrowprops=arrow)
    unit.text(4.35, 1, "0.6", ha="center", va="center", size=13)
    unit.set(xlim=(-0.4, 4.7), ylim=(-0.5, 2.7), title="One unit with three inputs")
    sizes = [784, *(layer.units for layer in model.build_model().layers[::2]), 10]
    sizes = [784, 128, 64, 10] if len(sizes) != 4 else sizes
    words = ["pixels", "units, relu", "units, relu", "units, softmax"]
    for x, (size, word) in enumerate(zip(sizes, words)):
        height = np.log(size) / 3
        chain.bar(x, height, 0.3, -height / 2, color="#dcebf7", edgecolor="#1f5a99")
        chain.text(x, 0, size, ha="center", va="center", size=13)
        chain.text(x, -1.4, word, ha="center", size=12)
        if x < 3:
            chain.annotate("", (x + 0.83, 0), (x + 0.17, 0), arrowprops=arrow)
    chain.set(ylim=(-1.6, 1.4), title="The chain of layers")
    for ax in unit, chain:
        ax.axis("off")
    save(fig, "network.png")


def draw_curves(histories):
    """Draw loss and accuracy of 10 and of 50 epochs, one below the other."""
    fig, axs = plt.subplots(2, 2, figsize=(10, 6), layout="constrained", sharey="col")
    for row, history in zip(axs, histories):
        for ax, name in zip(row, ["loss", "accuracy"]):
            epochs = range(1, len(history[name]) + 1)
            ax.plot(epochs, history[name], ".-", label=name)
            ax.plot(epochs, history[f"val_{name}"], ".-", label=f"val_{name}")
            ax.set(title=f"{len(epochs)} epochs", xlabel="Epoch")
            ax.legend()
    save(fig, "curves.png")


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
    fig = test_model.drawing_window(network)
    for stroke in [(0.2, 0.8), (0.75, 0.82), (0.4, 0.15)], [(0.3, 0.5), (0.7, 0.52)]:
        for kind, points in ("button_press", stroke[:1]), ("motion_notify", stroke):
            for point in points:
                x, y = fig.axes[0].transData.transform(point)
                MouseEvent(f"{kind}_event", fig.canvas, x, y, 1)._process()
        MouseEvent("button_release_event", fig.canvas, x, y, 1)._process()
    save(fig, "window.png")


def run(folder, *command):
    """Run a script in `folder` as a user would, and return what it prints."""
    command = [sys.executable, str(TESTS.parent / command[0]), *command[1:]]
    return subprocess.check_output(command, cwd=folder, text=True)


def trained(seed, X, y, epochs=10, **blogs):
    """Return a network, trained as in model.py or by the blog's recipe; its history."""
    keras.utils.set_random_seed(seed)
    network = model.build_model()
    if not blogs:
        return network, model.train_model(network, X, y, epochs)
    network.compile(loss="sparse_categorical_crossentropy", **blogs["compile"])
    network.fit(X, y, epochs=epochs, verbose=0, **blogs["fit"])
    return network, None


def main():
    X_train, X_test, y_train, y_test = model.fetch_data()
    record = {}
    with tempfile.TemporaryDirectory() as folder:
        record["training"] = run(folder, "model.py")
        record["test"] = run(folder, "test_model.py")
        record["own digits"] = run(folder, "test_model.py", *PICTURES)
        record["own digits"] = record["own digits"].replace(f"{TESTS.parent}/", "")
        for path in Path(folder).glob("*.png"):
            small = Image.open(path).convert("RGB").quantize(64)
            small.save(TESTS / "figures" / path.name, optimize=True)
        network = keras.models.load_model(Path(folder, "mnist.keras"))
    y_pred = network.predict(X_test, verbose=0).argmax(axis=1)
    matrix = test_model.metrics.confusion_matrix(y_test, y_pred)
    record["confusion matrix"] = [" ".join(map(str, row)) for row in matrix]

    histories = [trained(42, X_train, y_train, epochs)[1] for epochs in (10, 50)]
    record["50 epochs"] = {name: values[-1] for name, values in histories[1].items()}
    draw_data(X_train, y_train, network)
    draw_network()
    draw_curves(histories)
    draw_steps(TESTS / "pictures" / "four.jpg")
    draw_window(network)

    adamax = {"compile": {"optimizer": "adamax", "steps_per_execution": 15}}
    adamax["fit"] = {"batch_size": 32, "validation_split": 0.2}
    constant = {"compile": {"optimizer": keras.optimizers.Adam(0.003)}}
    constant["fit"] = {"batch_size": 240, "validation_split": 0.1}
    recipes = {
        "ours": (1, {}),
        "ours, pixels to 255": (255, {}),
        "ours, constant rate": (1, constant),
        "the blog's": (255, adamax),
        "the blog's, pixels to 1": (1, adamax),
    }
    for name, (scale, blogs) in recipes.items():
        record[name] = []
        for seed in range(3):
            if blogs is constant:
                constant["compile"] = {"optimizer": keras.optimizers.Adam(0.003)}
            network, _ = trained(seed, X_train * np.float32(scale), y_train, **blogs)
            answers = network.predict(X_test * np.float32(scale), verbose=0)
            record[name].append(float(np.mean(answers.argmax(axis=1) == y_test)))
    (TESTS / "whole_run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
