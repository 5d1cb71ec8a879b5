"""Draw the README's pictures, and record its numbers, from the current scripts.

python .ci/draw_pictures.py    takes about half an hour, on all of MNIST

It writes whole_run.json beside this file, which check_readme.py reads, and the pictures
in tests/figures. The recipes and exercises are trained again only if model.py or an
exercise has changed since they were recorded.
"""

import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from itertools import pairwise
from pathlib import Path

ENVIRONMENT = os.environ | {"MPLBACKEND": "Agg"}
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from check_readme import changed, exercises, fingerprint
from PIL import Image, ImageOps
from scipy import ndimage
from test_own_digits import Mouse

import model
import test_model

os.environ.clear()  # of what the tests set for themselves
os.environ.update(ENVIRONMENT)

SCRIPT = (ROOT / "model.py").read_text("utf-8")
RECORD = ROOT / ".ci" / "whole_run.json"
FIGURES = ROOT / "tests" / "figures"
PICTURES = sorted(map(str, (ROOT / "tests" / "pictures").iterdir()))
LOSS = "sparse_categorical_crossentropy"
SEEDS = 42, 43, 44, 45, 46


def keep(file, name):
    """Keep a picture for the README, in 256 colours, which makes it small."""
    picture = Image.open(file).convert("RGB").quantize(256)
    picture.save(FIGURES / name, optimize=True)


def save(fig, name, dpi=100):
    with tempfile.TemporaryFile() as file:
        fig.savefig(file, dpi=dpi)
        keep(file, name)
    plt.close(fig)


def show(ax, picture, title="", size=12):
    ax.imshow(picture, cmap="gray", vmin=0)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, size=size)


# The pictures.


def draw_data(X, y):
    """Draw ten digits of MNIST, and one of them with its numbers."""
    fig, axs = plt.subplots(2, 5, figsize=(7, 3), layout="constrained")
    for digit, ax in enumerate(axs.flat):
        show(ax, X[y == digit][1].reshape(28, 28))
    save(fig, "digits.png")

    image = np.uint8(np.round(255 * X[y == 3][0])).reshape(28, 28)
    rows, columns = np.nonzero(image)
    part = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
    show(ax, part, "What the computer stores")
    for (row, column), number in np.ndenumerate(part):
        look = {"color": "black" if number > 140 else "white" if number else "0.5"}
        ax.text(column, row, number, ha="center", va="center", size=10, **look)
    save(fig, "numbers.png")


def draw_network():
    """Draw the layers, in which everything leads to everything, and one unit."""
    fig, (chain, unit) = plt.subplots(
        2, 1, figsize=(7, 7.4), height_ratios=[3, 2], layout="constrained"
    )
    look = {"facecolor": "#dcebf7", "edgecolor": "#1f5a99"}
    text = {"ha": "center", "va": "center", "size": 12}
    arrow = {"arrowstyle": "->", "color": "grey"}
    layers = [(8, "784\npixels"), (7, "128 units\nrelu, dropout")]
    layers += [(6, "64 units\nrelu"), (5, "10 units\nsoftmax")]
    places = []
    for x, (size, name) in enumerate(layers):
        heights = [y for y in np.linspace(-size / 2, size / 2, size) if abs(y) > 0.4]
        for y in heights:
            for previous in places:
                chain.plot([x - 1, x], [previous, y], color="0.75", lw=0.6, zorder=0)
        chain.scatter([x] * len(heights), heights, 260, c="#dcebf7", ec="#1f5a99")
        chain.text(x, 0, "⋮", **(text | {"size": 18}))
        chain.text(x, -5.2, name, **text)
        places = heights
    chain.set(xlim=(-0.5, 3.5), ylim=(-6, 4.8))
    chain.set_title("Each unit takes all that comes from the layer before", size=12)
    for y, product in enumerate(
        ["... 784 in all", "0.0 x 0.3", "0.8 x -0.5", "1.0 x 0.9"]
    ):
        unit.text(0, y, product, **text)
        unit.annotate("", (1.75, 1.5), (0.75, y), arrowprops=arrow)
    box = {"boxstyle": "round,pad=0.6"} | look
    unit.text(2.4, 1.5, "sum 0.5\n+ bias 0.1\n= 0.6", bbox=box, **text)
    unit.annotate("", (3.6, 1.5), (3.05, 1.5), arrowprops=arrow)
    unit.text(4.2, 1.5, "relu: 0.6\n(-0.6 would\ngive 0)", **text)
    unit.set(xlim=(-0.8, 4.9), ylim=(-0.6, 3.6))
    unit.set_title("One of the 128 units: inputs x weights", size=12)
    for ax in unit, chain:
        ax.axis("off")
    save(fig, "network.png")


def draw_weights(network, X):
    """Draw the weights of six units that often fire, before and after training."""
    keras.utils.set_random_seed(42)
    start = model.build_model().get_weights()[0]
    end, biases = network.get_weights()[:2]
    fires = (X @ end + biases > 0).mean(axis=0)
    strength = np.linalg.norm(end, axis=0) * ((fires > 0.2) & (fires < 0.8))
    fig, axs = plt.subplots(2, 6, figsize=(7, 2.9), layout="constrained")
    for column, unit in zip(axs.T, np.argsort(-strength)[:6]):
        for ax, weights in zip(column, (start[:, unit], end[:, unit])):
            limit = 0.6 * np.abs(end[:, unit]).max()
            image = weights.reshape(28, 28)
            ax.imshow(image, "PuOr_r", vmin=-limit, vmax=limit)
            ax.set(xticks=[], yticks=[])
    axs[0, 0].set_ylabel("at random", size=12)
    axs[1, 0].set_ylabel("trained", size=12)
    fig.suptitle("Orange: positive weights. Violet: negative", size=12)
    save(fig, "weights.png")


def draw_fifty(not_moved, moved):
    """Draw the losses of fifty epochs without and with moving, on the same axes."""
    fig, axs = plt.subplots(1, 2, figsize=(7, 4), sharey=True, layout="constrained")
    for ax, history, title in zip(axs, (not_moved, moved), ("Not moved", "Moved")):
        epochs = range(1, 51)
        ax.plot(epochs, history["loss"], label="loss")
        ax.plot(epochs, history["val_loss"], label="val_loss")
        lowest = 1 + np.argmin(history["val_loss"])
        ax.axvline(lowest, color="grey", linestyle=":", label="lowest val_loss")
        ax.set(xlabel="Epoch", title=title, ylim=(0, 0.2))
    axs[0].legend(loc="upper right")
    axs[0].set_ylabel("Loss")
    save(fig, "fifty_epochs.png", dpi=120)


def draw_steps(path):
    """Draw what becomes of a picture on its way through `prepare`."""
    picture = Image.open(path)
    ink = test_model.find_ink(picture)
    digit = test_model.keep_digit(ink)
    pixels = test_model.like_mnist(digit).reshape(28, 28)
    fig, axs = plt.subplots(1, 4, figsize=(7, 2.1), layout="constrained")
    titles = "The picture", "1. Its ink", "2. Only the digit", "3. As in MNIST"
    for ax, image, title in zip(axs, (picture, ink, digit, pixels), titles):
        show(ax, image, title)
        ax.set_box_aspect(1)
    save(fig, "steps.png")


def draw_own_digits(network):
    """Draw the pictures that come with the project above what the network saw of them."""
    fig, axs = plt.subplots(2, 4, figsize=(7, 4.2), layout="constrained")
    for (above, below), path in zip(axs.T, PICTURES):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
        show(above, picture, Path(path).name)
        above.set_box_aspect(1)
        pixels, probabilities, text = test_model.read(network, picture)
        rival, answer = np.argsort(probabilities)[-2:]
        image = test_model.explain(network, pixels, answer, rival)
        show(below, image, f"{text}\nrunner-up: {rival}", 10)
    save(fig, "own_digits.png")


def draw_why(network, X, y, p):
    """Draw a 7 taken for a 2: in colours, and with one spot rubbed out, or inked."""
    sure = p[:, 2] * (y == 7)
    i = sure.argmax()
    found = {"sure": f"{sure[i]:.1%}"}
    pictures = [(X[i], f"A 7, read as a 2\n({found['sure']} sure)")]
    for ink, name in (0, "rubbed out"), (1, "inked"):
        lost = test_model.lead_lost(network, X[i], 2, 7, ink)
        possible = X[i] > 0.5 if ink == 0 else near_ink(X[i])
        spot = np.argmax(np.where(possible, lost, -np.inf))
        changed_image = with_spot(X[i], spot, ink)
        text = answer_of(network, changed_image)
        found[name] = text
        pictures.append((changed_image, f"One spot {name}:\n{text}"))
    with np.errstate(divide="ignore"):
        lead = np.log(p[i, 2] / p[i, 7])
    found["lead"] = f"{lead:.1f}"
    found["times"] = int(round(float(p[i, 2] / p[i, 7]), -1))
    fig, axs = plt.subplots(1, 4, figsize=(7, 2.15), layout="constrained")
    show(axs[0], X[i].reshape(28, 28), pictures[0][1], 10)
    axs[1].imshow(test_model.explain(network, X[i], 2, 7))
    axs[1].set(xticks=[], yticks=[])
    axs[1].set_title("Ringed: the glow,\nink that a 7 has", size=10)
    glow = test_model.lead_lost(network, X[i], 2, 7, 1) * (1 - X[i])
    row, column = divmod(glow.argmax(), 28)
    ring = plt.Circle((column, row), 3.5, fill=False, color="white", linestyle=":")
    axs[1].add_patch(ring)
    for ax, (image, title) in zip(axs[2:], pictures[1:]):
        show(ax, image.reshape(28, 28), title, 10)
    save(fig, "why.png", dpi=130)
    return found


def draw_animation(network):
    """Draw the window while a 4 is drawn, and a last stroke makes it a 9."""
    frames, durations = [], []
    mouse = Mouse(network)

    def frame(milliseconds):
        with tempfile.TemporaryFile() as file:
            mouse.fig.savefig(file, dpi=100)
            frames.append(Image.open(file).convert("RGB"))
        durations.append(milliseconds)

    strokes = [
        [(0.3, 0.82), (0.27, 0.62), (0.35, 0.5), (0.68, 0.5)],
        [(0.7, 0.82), (0.68, 0.5), (0.64, 0.14)],
        [(0.3, 0.82), (0.45, 0.88), (0.7, 0.82)],
    ]
    frame(700)
    texts = []
    for stroke in strokes:
        mouse.fig.canvas.draw()
        mouse.send("button_press_event", stroke[0])
        for start, end in pairwise(stroke):
            for number, place in enumerate(np.linspace(start, end, 9)):
                mouse.send("motion_notify_event", place)
                if number % 4 == 0:
                    frame(120)
        mouse.send("button_release_event", stroke[-1])
        frame(800 if stroke is strokes[0] else 4000)
        texts.append(mouse.fig.get_suptitle().splitlines()[0])
    durations[-1] = 6000
    frames = [frame.quantize(128, dither=0) for frame in frames]
    frames[0].save(
        FIGURES / "window.gif",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        optimize=True,
    )
    plt.close("all")
    return texts


# The numbers.


def with_spot(pixels, spot, ink):
    """Return a copy of `pixels` whose 3 x 3 pixels around `spot` are set to `ink`."""
    image = pixels.reshape(28, 28).copy()
    y, x = divmod(spot, 28)
    image[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = ink
    return image.ravel()


def near_ink(pixels):
    """Return for each pixel whether it's dark, with ink at most two pixels away."""
    image = pixels.reshape(28, 28)
    return ((image < 0.5) & (ndimage.maximum_filter(image, 5) > 0.5)).ravel()


def answer_of(network, pixels):
    p = network.predict_on_batch(pixels[np.newaxis])[0]
    return f"{p.argmax()} ({test_model.in_words(p.max())} sure)"


def reasons(network, X, y, p):
    """Return how many mistakes become the truth if what `lead_lost` names is changed."""
    random = np.random.default_rng(0)
    wrong = np.flatnonzero(p.argmax(axis=1) != y)
    images = {}
    for i in wrong:
        pixels = X[i]
        ink, near = np.flatnonzero(pixels > 0.5), np.flatnonzero(near_ink(pixels))
        glowing = np.flatnonzero(near_ink(pixels))
        out = test_model.lead_lost(network, pixels, p[i].argmax(), y[i], 0)
        new = test_model.lead_lost(network, pixels, p[i].argmax(), y[i], 1)
        worst = ink[np.argsort(-out[ink])]
        without = pixels.copy()
        without[worst[:20]] = 0
        less = pixels.copy()
        less[random.choice(ink, min(20, len(ink)), replace=False)] = 0
        changes = {
            "20 pixels rubbed out": without,
            "20 at random": less,
            "a spot rubbed out": with_spot(pixels, worst[0], 0),
            "one at random rubbed out": with_spot(pixels, random.choice(ink), 0),
            "a spot inked": with_spot(pixels, glowing[new[glowing].argmax()], 1),
            "one at random inked": with_spot(pixels, random.choice(near), 1),
        }
        for name, image in changes.items():
            images.setdefault(name, []).append(image)
    counts = {"mistakes": len(wrong)}
    for name, changed_images in images.items():
        answers = network.predict(np.stack(changed_images), verbose=0).argmax(axis=1)
        counts[name] = int(np.sum(answers == y[wrong]))
    return counts


def reliability(X, y, network):
    """Return how many answers and right ones there are, by ranges of sureness.

    Under "all", it's the share that is right, the mean sureness, and the share of
    answers that are at least 99% sure.
    """
    p = network.predict(X, verbose=0)
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    edges = [0, 0.5, 0.7, 0.9, 0.99, 1.1]
    rows = []
    for low, high in pairwise(edges):
        group = (sure >= low) & (sure < high)
        rows.append([low, int(group.sum()), int(right[group].sum())])
    whole = [right.mean(), sure.mean(), np.mean(sure >= 0.99)]
    return {"ranges": rows, "all": np.round(whole, 4).tolist()}


def f1_spread(matrix):
    """Return the standard error of each digit's F1 score, from 1,000 resamples."""
    random = np.random.default_rng(0)
    samples = random.multinomial(matrix.sum(), matrix.ravel() / matrix.sum(), 1000)
    samples = samples.reshape(-1, 10, 10)
    f1 = 2 * samples.diagonal(axis1=1, axis2=2) / (samples.sum(1) + samples.sum(2))
    lowest = np.bincount(f1.argmin(axis=1), minlength=10) / 1000
    return {"F1": f1.std(axis=0).round(4).tolist(), "lowest": lowest.tolist()}


def one_step(X, y):
    """Return a weight of the untrained network, its gradient, and its next value."""
    keras.utils.set_random_seed(42)
    network = model.build_model()
    with tf.GradientTape() as tape:
        p = network(X[:240])
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y[:240], p))
    gradient = tape.gradient(loss, network.trainable_weights[4]).numpy()  # 64 x 10
    place = np.unravel_index(gradient.argmax(), gradient.shape)
    weight = network.get_weights()[4][place]
    step = 0.005 * gradient[place]
    numbers = {"loss": loss, "weight": weight, "gradient": gradient[place]}
    numbers |= {"after": weight - step, "mean sureness": tf.reduce_max(p, axis=1)}
    raw = network.predict(255 * X[:5000], verbose=0)
    numbers["loss up to 255"] = -np.log(raw[range(5000), y[:5000]] + 1e-37)
    numbers["sureness up to 255"] = raw.max(axis=1)
    numbers["right up to 255"] = raw.argmax(axis=1) == y[:5000]
    return {name: round(float(np.mean(value)), 5) for name, value in numbers.items()}


def letter_h(network):
    """Return what the network reads in an H drawn in the window."""
    mouse = Mouse(network)
    for points in [(0.25, 0.85), (0.25, 0.15)], [(0.75, 0.85), (0.75, 0.15)]:
        mouse.draw(*points)
    mouse.draw((0.25, 0.5), (0.75, 0.5))
    text = mouse.fig.get_suptitle().splitlines()[0]
    plt.close("all")
    return text


def open_the_box(network, X):
    """Return how well gradient x input agrees with `lead_lost`, over 100 digits."""
    agreement = []
    for pixels in X[:100]:
        rival, answer = np.argsort(network.predict_on_batch(pixels[None])[0])[-2:]
        image = tf.Variable(pixels[None])
        with tf.GradientTape() as tape:
            p = network(image)[0]
            lead = tf.math.log(p[answer]) - tf.math.log(p[rival])
        quick = (tape.gradient(lead, image)[0].numpy() * pixels).reshape(28, 28)
        quick = ndimage.convolve(quick, np.ones((3, 3)), mode="constant").ravel()
        tried = test_model.lead_lost(network, pixels, answer, rival, 0)
        ink = pixels > 0.5
        agreement.append(np.corrcoef(quick[ink], tried[ink])[0, 1])
    return round(float(np.median(agreement)), 2)


def run(folder, *command):
    """Run a script in `folder` as a user would, and return what it prints."""
    script = Path(folder, command[0])
    script = script if script.exists() else ROOT / command[0]
    command = [sys.executable, str(script), *command[1:]]
    return subprocess.check_output(command, cwd=folder, text=True)


def variant(text):
    """Return the module that model.py would be if it were `text`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "variant.py")
        path.write_text(text, "utf-8")
        spec = importlib.util.spec_from_file_location("variant", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def measure(name, data, build, train, seeds, epochs=10, change=lambda X: X):
    """Return accuracies, last val_losses, shares of mistakes above 99%; CPU seconds."""
    found, start = [], time.process_time()
    for seed in SEEDS[:seeds]:
        keras.utils.set_random_seed(seed)
        network = build()
        with contextlib.redirect_stdout(io.StringIO()):
            history = train(network, change(data[0]), data[2], epochs)
        probabilities = network.predict(change(data[1]), verbose=0)
        confidence = probabilities.max(axis=1)
        wrong = probabilities.argmax(axis=1) != data[3]
        sure = np.mean(confidence[wrong] > 0.99)
        found.append([1 - wrong.mean(), history["val_loss"][-1], sure])
    seconds = (time.process_time() - start) / seeds
    found = np.transpose(found).round(4).tolist()
    print(name, found, f"{seconds:.1f} CPU seconds", flush=True)
    keys = "accuracy", "val_loss", "sure mistakes"
    return dict(zip(keys, found)) | {"seconds": round(seconds, 1)}


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
    return round(float(np.mean(distances == y_test)), 4)


def train_others(data):
    """Return the numbers of all recipes and exercises, and of longer runs."""
    variants = [variant(changed(SCRIPT, block)) for block in exercises()]
    build, train = model.build_model, model.train_model
    not_moved = variants[3].train_model
    constant = variant(SCRIPT.replace("0.005 * (1 - epoch / epochs)", "0.002"))
    order = np.random.default_rng(0).permutation(784)
    recipes = {"ours": measure("ours", data, build, train, 5)}
    for name, *what in (
        ("not moved", build, not_moved, 5),
        ("constant rate", build, constant.train_model, 3),
        ("one layer", one_layer, train, 3),
        ("shuffled pixels", build, not_moved, 3, 10, lambda X: X[:, order]),
        ("blog", build, blogs_training, 3, 10, lambda X: 255 * X),
        ("blog up to 1", build, blogs_training, 3),
    ):
        recipes[name] = measure(name, data, *what)
    recipes["nearest average"] = nearest_average(*data)
    recipes["always 1"] = round(float(np.mean(data[3] == 1)), 4)

    trained = []
    for number, part in enumerate(variants[:8], start=1):

        def first(network, X, y, epochs, part=part, number=number):
            n = 5600 if number == 6 else len(X)
            return part.train_model(network, X[:n], y[:n], epochs)

        trained.append(measure(f"{number}", data, part.build_model, first, 3))
    far = changed(changed(SCRIPT, exercises()[1]), exercises()[8])
    far = variant(far)
    what = far.build_model, far.train_model, 1, 60
    trained.append(measure("9", data, *what))

    longer = {}
    for name, epochs, trainer in (
        ("20 epochs", 20, train),
        ("50 epochs", 50, train),
        ("50 epochs, not moved", 50, not_moved),
    ):
        keras.utils.set_random_seed(42)
        network = build()
        with contextlib.redirect_stdout(io.StringIO()):
            history = trainer(network, data[0], data[2], epochs)
        kept = "loss", "val_loss", "val_accuracy"
        longer[name] = {key: np.round(history[key], 4).tolist() for key in kept}
        print(name, longer[name]["val_loss"][-1], flush=True)
    return {"recipes": recipes, "exercises": trained, "longer": longer}


def trained_from():
    """Return a checksum of all that decides what `train_others` finds."""
    code = fingerprint("model.py") + "".join(exercises())
    return zlib.crc32(code.encode())


def main():
    data = model.fetch_data()
    record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    if record.get("trained from") != trained_from():
        record = {"trained from": trained_from(), "others": train_others(data)}
    for old in FIGURES.iterdir():
        old.unlink()
    record["fingerprint"] = zlib.crc32(fingerprint().encode())
    with tempfile.TemporaryDirectory() as folder:
        printed = run(folder, "model.py")
        record["training"] = re.sub(r"[^\x00-\x7f]+.*\n?", "", printed)
        record["test"] = run(folder, "test_model.py")
        printed = run(folder, "test_model.py", *PICTURES)
        record["own digits"] = printed.replace(f"{ROOT}/", "")
        for name in "learning_curve", "precision_f1", "confusion_matrix", "mistakes":
            keep(Path(folder, f"{name}.png"), f"{name}.png")
        network = keras.models.load_model(Path(folder, "mnist.keras"))
    X, X_test, y, y_test = data
    p = network.predict(X_test, verbose=0)
    matrix = test_model.metrics.confusion_matrix(y_test, p.argmax(axis=1))
    record["confusion matrix"] = [" ".join(map(str, row)) for row in matrix]
    record["spread"] = f1_spread(matrix)
    record["reliability"] = reliability(X_test, y_test, network)
    record["swapped"] = reliability(1 - X_test, y_test, network)["all"]
    record["reasons"] = reasons(network, X_test, y_test, p)
    record["one step"] = one_step(X, y)
    record["H"] = letter_h(network)
    record["open the box"] = open_the_box(network, X_test)
    keras.utils.set_random_seed(42)
    other = model.build_model()
    not_moved = variant(changed(SCRIPT, exercises()[3]))
    with contextlib.redirect_stdout(io.StringIO()):
        not_moved.train_model(other, X, y, 10)
    record["not moved"] = reliability(X_test, y_test, other)["all"]
    draw_data(X, y)
    draw_network()
    draw_weights(network, X[:5000])
    longer = record["others"]["longer"]
    draw_fifty(longer["50 epochs, not moved"], longer["50 epochs"])
    draw_steps(ROOT / "tests" / "pictures" / "four.jpg")
    draw_own_digits(network)
    record["why"] = draw_why(network, X_test, y_test, p)
    record["animation"] = draw_animation(network)
    RECORD.write_text(json.dumps(record, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
