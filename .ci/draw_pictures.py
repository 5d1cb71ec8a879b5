"""Draw the README's pictures, and record its numbers, from the current scripts.

python .ci/draw_pictures.py    takes about half an hour, on all of MNIST

It writes whole_run.json beside this file, which check_readme.py reads, and the pictures
in tests/figures.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ENVIRONMENT = os.environ | {"MPLBACKEND": "Agg"}
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import keras
import matplotlib.pyplot as plt
import numpy as np
from check_readme import changed, exercises, fingerprint
from PIL import Image, ImageOps
from test_own_digits import Mouse

import model
import test_model

os.environ.clear()  # of what the tests set for themselves
os.environ.update(ENVIRONMENT)

SCRIPT = (ROOT / "model.py").read_text("utf-8")
LOSS = "sparse_categorical_crossentropy"
PICTURES = sorted(map(str, (ROOT / "tests" / "pictures").iterdir()))


def keep(file, name):
    """Keep a picture for the README, in 64 colours, which makes it small."""
    picture = Image.open(file).convert("RGB").quantize(64)
    picture.save(ROOT / "tests" / "figures" / name, optimize=True)


def save(fig, name, dpi=100):
    with tempfile.TemporaryFile() as file:
        fig.savefig(file, dpi=dpi)
        keep(file, name)
    plt.close(fig)


def show(ax, picture, title="", size=13):
    ax.imshow(picture, cmap="gray", vmin=0)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, size=size)


def draw_data(X, y, network):
    """Draw digits of MNIST beside one of our own and its answer; one with its numbers."""
    fig = plt.figure(figsize=(9, 3.2), layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=[5, 2.4])
    for digit, ax in enumerate(left.subplots(2, 5).flat):
        show(ax, X[y == digit][1].reshape(28, 28))
    left.suptitle("Ten digits from MNIST", size=14)
    picture = Image.open(ROOT / "tests" / "pictures" / "three.png").convert("RGB")
    show(right.subplots(), picture)
    right.suptitle(f"And drawn: {test_model.read(network, picture)[2]}", size=14)
    save(fig, "digits.png")

    image = np.uint8(np.round(255 * X[y == 3][0])).reshape(28, 28)
    rows, columns = np.nonzero(image)
    part = image[rows.min() - 1 : rows.max() + 2, columns.min() - 1 : columns.max() + 2]
    height, width = part.shape
    fig, axs = plt.subplots(2, 1, figsize=(7, 15), layout="constrained")
    show(axs[0], part, "What we see", 18)
    show(axs[1], np.zeros_like(part), "What the computer stores", 18)
    axs[1].set(facecolor="white", xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axs[1].images[0].set_alpha(0)
    for (row, column), number in np.ndenumerate(part):
        look = {"ha": "center", "va": "center", "size": 10}
        axs[1].text(column, row, number or "·", **look)
    save(fig, "numbers.png", dpi=70)


def draw_network():
    """Draw one unit, and the chain of layers that it's part of."""
    fig, (chain, unit) = plt.subplots(2, 1, figsize=(7.5, 7.5), layout="constrained")
    look = {"facecolor": "#dcebf7", "edgecolor": "#1f5a99"}
    text = {"ha": "center", "va": "center", "size": 14}
    arrow = {"arrowstyle": "->", "color": "grey"}
    sizes = [784, 128, 64, 10]
    layers = "pixels", "units\nrelu", "units\nrelu", "units\nsoftmax"
    for x, (size, layer) in enumerate(zip(sizes, layers)):
        half = np.log(size) / 2
        chain.bar(x, 2 * half, 0.4, -half, **look)
        chain.text(x, 0, size, **text)
        chain.text(x, -4.6, layer, **text)
    for x, label in enumerate(["", "dropout", ""]):
        chain.annotate("", (x + 0.78, 0), (x + 0.22, 0), arrowprops=arrow)
        chain.text(x + 0.5, 0.5, label, **(text | {"size": 11}))
    chain.set(xlim=(-0.5, 3.5), ylim=(-5.5, 3.6))
    chain.set_title("The chain of layers", size=15)
    for y, product in enumerate(["1.0 x 0.2", "0.8 x -0.5", "0.0 x 0.3"]):
        unit.text(0, y, product, **text)
        unit.annotate("", (1.6, 1), (0.6, y), arrowprops=arrow)
    box = {"boxstyle": "round,pad=0.6"} | look
    unit.text(2.3, 1, "sum -0.2\n+ bias 0.1\n= -0.1", bbox=box, **text)
    unit.annotate("", (3.6, 1), (3.0, 1), arrowprops=arrow)
    unit.text(4.1, 1, "relu: 0", **text)
    unit.set(xlim=(-0.7, 4.6), ylim=(-0.6, 2.6))
    unit.set_title("One of the 128 units: inputs x weights", size=15)
    for ax in unit, chain:
        ax.axis("off")
    save(fig, "network.png", dpi=80)


def draw_steps(path):
    """Draw what becomes of a picture on its way through `prepare`."""
    picture = Image.open(path)
    ink = test_model.find_ink(picture)
    digit = test_model.keep_digit(ink)
    pixels = test_model.like_mnist(digit).reshape(28, 28)
    fig, axs = plt.subplots(2, 2, figsize=(7, 7), layout="constrained")
    titles = "The picture", "1. Its ink", "2. The digit alone", "3. Like MNIST's"
    for ax, image, title in zip(axs.flat, (picture, ink, digit, pixels), titles):
        show(ax, image, title, 16)
        ax.set_box_aspect(1)
    save(fig, "steps.png", dpi=70)


def draw_own_digits(network):
    """Draw the pictures that come with the project above what the network saw of them."""
    fig, axs = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
    for (above, below), path in zip(axs.T, PICTURES):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
        show(above, picture, Path(path).name)
        above.set_box_aspect(1)
        pixels, probabilities, answer = test_model.read(network, picture)
        second, first = np.argsort(probabilities)[-2:]
        title = f"{answer}\nor {second}?"
        test_model.draw_digit(below, network, pixels, first, second, title)
    save(fig, "own_digits.png", dpi=80)


def draw_votes(network, X, y):
    """Draw the surest mistake as it is, and with its ink in two colours."""
    probabilities = network.predict(X, verbose=0)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != y)
    i = wrong[probabilities[wrong].max(axis=1).argmax()]
    answer = probabilities[i].argmax()
    fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3.9), layout="constrained")
    show(left, X[i].reshape(28, 28), f"A {y[i]}, says its label")
    title = f"Blue speaks for {answer}, red for {y[i]}"
    test_model.draw_digit(right, network, X[i], answer, y[i], title)
    save(fig, "votes.png", dpi=80)


def draw_window(network):
    """Draw the window of --draw, when a 7's bar is where the network is least sure."""
    windows = []
    for height in np.arange(0.3, 0.8, 0.05):
        mouse = Mouse(network)
        mouse.draw((0.2, 0.8), (0.75, 0.82), (0.4, 0.15))
        mouse.draw((0.2, height), (0.8, height))
        sure = max(bar.get_height() for bar in mouse.bars.patches)
        windows.append((sure, height, mouse.fig))
    save(min(windows)[2], "window.png", dpi=80)
    plt.close("all")


def run(folder, *command):
    """Run a script in `folder` as a user would, and return what it prints."""
    script = Path(folder, command[0])
    script = script if script.exists() else ROOT / command[0]
    command = [sys.executable, str(script), *command[1:]]
    return subprocess.check_output(command, cwd=folder, text=True)


def losses(folder, text, *arguments):
    """Run model.py as if it were `text`, and return what it prints."""
    Path(folder, "model.py").write_text(text, "utf-8")
    return run(folder, "model.py", *arguments)


def without(line):
    """Return model.py without the one line that holds `line`."""
    (found,) = (text for text in SCRIPT.splitlines(keepends=True) if line in text)
    return SCRIPT.replace(found, "")


def variant(text):
    """Return the module that model.py would be if it were `text`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "variant.py")
        path.write_text(text, "utf-8")
        spec = importlib.util.spec_from_file_location("variant", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def measure(data, build, train, seeds, scale=1):
    """Return accuracies, last val_losses and shares of mistakes above 99%, by seed."""
    found = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        network = build()
        history = train(network, data[0] * np.float32(scale), data[2], 10)
        probabilities = network.predict(data[1] * np.float32(scale), verbose=0)
        confidence = probabilities.max(axis=1)
        wrong = probabilities.argmax(axis=1) != data[3]
        sure = np.mean(confidence[wrong] > 0.99)
        found.append([1 - wrong.mean(), history["val_loss"][-1], sure])
    return np.transpose(found).round(5).tolist()


def blogs_training(network, X, y, epochs):
    """Train as the blog does: Adamax, batches of 32, a fifth for validation."""
    network.compile("adamax", LOSS, steps_per_execution=15)
    return network.fit(X, y, 32, epochs, validation_split=0.2, verbose=2).history


def one_layer():
    layers = [keras.Input(shape=(784,)), keras.layers.Dense(10, activation="softmax")]
    network = keras.Sequential(layers)
    network.compile("adam", LOSS, steps_per_execution=15)
    return network


def nearest_average(X_train, X_test, y_train, y_test):
    """Return how often the average digit that an image is most like is the right one."""
    averages = np.stack([X_train[y_train == digit].mean(axis=0) for digit in range(10)])
    distances = ((averages**2).sum(axis=1) - 2 * X_test @ averages.T).argmin(axis=1)
    return float(np.mean(distances == y_test))


def main():
    data = model.fetch_data()
    record = {"fingerprint": fingerprint()}
    texts = [changed(SCRIPT, block) for block in exercises()]
    texts[5] = changed(without("Dropout(0.2)"), exercises()[5])
    with tempfile.TemporaryDirectory() as folder:
        record["50 epochs, not moved"] = losses(folder, texts[2], "--epochs", "50")
        keep(Path(folder, "learning_curve.png"), "learning_curve_50_not_moved.png")
        record["exercises"] = [losses(folder, text) for text in texts[:5]]
        record["60 epochs"] = losses(folder, texts[5], "--epochs", "60")
    with tempfile.TemporaryDirectory() as folder:
        record["20 epochs"] = run(folder, "model.py", "--epochs", "20")
        record["50 epochs"] = run(folder, "model.py", "--epochs", "50")
        keep(Path(folder, "learning_curve.png"), "learning_curve_50.png")
        record["training"] = run(folder, "model.py")
        record["test"] = run(folder, "test_model.py")
        record["own digits"] = run(folder, "test_model.py", *PICTURES)
        record["own digits"] = record["own digits"].replace(f"{ROOT}/", "")
        for name in "learning_curve", "precision_f1", "confusion_matrix", "mistakes":
            keep(Path(folder, f"{name}.png"), f"{name}.png")
        network = keras.models.load_model(Path(folder, "mnist.keras"))
    y_pred = network.predict(data[1], verbose=0).argmax(axis=1)
    matrix = test_model.metrics.confusion_matrix(data[3], y_pred)
    record["confusion matrix"] = [" ".join(map(str, row)) for row in matrix]
    draw_data(data[0], data[2], network)
    draw_network()
    draw_steps(ROOT / "tests" / "pictures" / "four.jpg")
    draw_own_digits(network)
    draw_votes(network, data[1], data[3])
    draw_window(network)
    build, train = model.build_model, model.train_model
    not_moved = variant(texts[2]).train_model
    constant = variant(SCRIPT.replace("0.005 * (1 - epoch / epochs)", "0.002"))
    convolutional = variant(texts[4]).build_model
    record["recipes"] = {
        "the blog's: pixels": measure(data, build, blogs_training, 3, 255),
        "the blog's, but with pixels": measure(data, build, blogs_training, 3),
        "ours: pixels": measure(data, build, train, 5),
        "ours, but without moving": measure(data, build, not_moved, 5),
        "ours, but with a constant": measure(data, build, constant.train_model, 3),
        "a single layer": measure(data, one_layer, train, 3),
        "a small convolutional network": measure(data, convolutional, train, 3),
        "the nearest average digit": [[nearest_average(*data)]],
        "always 1": [[float(np.mean(data[3] == 1))]],
    }
    (ROOT / ".ci" / "whole_run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
