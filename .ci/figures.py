"""Draw the page's pictures from a run of today's scripts, and record its numbers.

python .ci/figures.py    takes some minutes, needs experiments.json, writes figures.json
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise, product
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backend_bases import MouseEvent
from page import ROOT, blocks, checksum
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn import metrics

sys.path.insert(0, str(ROOT))
import model
import test_model

FIGURES = ROOT / "tests" / "figures"


def keep(picture, name):
    """Keep a picture or a figure for the page, in 256 colours, which makes it small."""
    if isinstance(picture, plt.Figure):
        picture.canvas.draw()
        picture = Image.fromarray(np.asarray(picture.canvas.buffer_rgba()))
        plt.close("all")
    picture = picture.convert("RGB").quantize(256)
    picture.save(FIGURES / f"{name}.png", optimize=True)


def draw_data(X, y):
    """Draw ten digits of MNIST, and one of them with its numbers."""
    fig, axs = plt.subplots(2, 5, figsize=(7, 3), layout="constrained")
    for digit, ax in enumerate(axs.flat):
        ax.imshow(X[y == digit][1].reshape(28, 28), cmap="gray")
        ax.axis("off")
    keep(fig, "digits")
    image = Image.fromarray(np.uint8(np.round(255 * X[y == 3][0])).reshape(28, 28))
    part = np.asarray(image.crop(image.getbbox()))
    fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
    ax.imshow(part, cmap="gray")
    ax.axis("off")
    for (row, column), number in np.ndenumerate(part):
        colour = "black" if number > 140 else "white" if number else "0.5"
        ax.text(column, row, number, color=colour, ha="center", va="center", size=10)
    keep(fig, "numbers")


def draw_network():
    """Draw the layers, in which everything leads to everything."""
    fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    ax.axis("off")
    names = "784 pixels", "128 units,\nrelu", "64 units,\nrelu", "10 units,\nsoftmax"
    middle, before = {"ha": "center", "va": "center", "size": 13}, []
    for x, (size, name) in enumerate(zip([9, 8, 7, 10], names)):
        heights = np.linspace(-4.5, 4.5, size)
        if x < 3:  # too many to draw them all
            heights = heights[np.abs(heights) > 0.7]
            ax.text(x, 0, "⋮", **middle | {"size": 20})
        for start, end in product(before, heights):
            ax.plot([x - 1, x], [start, end], color="0.8", lw=0.5, zorder=1)
        look = {"marker": "o" if x else "s", "c": "0.9", "ec": "black", "zorder": 2}
        ax.scatter([x] * len(heights), heights, 150, **look)
        ax.text(x, -6, name, **middle)
        before = heights
    keep(fig, "network")


def draw_fifty_epochs(losses):
    """Draw the losses of fifty epochs without and with shifts, on the same axes."""
    fig, axs = plt.subplots(1, 2, figsize=(7, 4), sharey=True, layout="constrained")
    for ax, title in zip(axs, ["Without shifts", "With shifts"]):
        for name, colour in ("loss", "0.6"), ("val_loss", "black"):
            ax.plot(range(1, 51), losses[f"{title}, {name}"], color=colour, label=name)
        ax.set(xlabel="Epoch", title=title, ylim=(0, 0.2))
        ax.legend()
    axs[0].set_ylabel("Loss")
    keep(fig, "fifty_epochs")


def stroke(window, *points):
    """Draw a line with the mouse on the window's page; return pictures of that."""
    window.canvas.draw()
    places = window.axes[0].transAxes.transform(points)
    path = [place for line in pairwise(places) for place in np.linspace(*line, 6)]
    names = ["button_press_event"] + ["motion_notify_event"] * (len(path) - 2)
    pictures = []
    for name, place in zip([*names, "button_release_event"], path):
        event = MouseEvent(name, window.canvas, *place, 1)
        window.canvas.callbacks.process(name, event)
        window.canvas.draw()
        picture = Image.fromarray(np.asarray(window.canvas.buffer_rgba()))
        pictures.append(picture.convert("RGB").quantize(64, dither=0))
    return pictures


def draw_window(network, averages):
    """Draw the window while a 4 becomes a 9, and return what it says of an H."""
    window = test_model.drawing_window(network, averages)
    stroke(window, (0.3, 0.82), (0.27, 0.62), (0.35, 0.5), (0.68, 0.5))
    *_, four = stroke(window, (0.7, 0.82), (0.68, 0.5), (0.64, 0.14))
    assert re.match(r"It reads: 4 .*\n.* like a 9\.", window.get_suptitle())
    *frames, nine = stroke(window, (0.3, 0.82), (0.45, 0.88), (0.7, 0.82))
    assert window.get_suptitle().startswith("It reads: 9")
    frames = [*frames[2::3], nine]
    times = [4000] + [150] * (len(frames) - 1) + [5000]
    look = {"append_images": frames, "duration": times, "loop": 0, "optimize": True}
    four.save(FIGURES / "window.gif", save_all=True, **look)
    window = test_model.drawing_window(network, averages)
    x, y = [0.25, 0.25, 0.25, 0.75, 0.75, 0.75], [0.85, 0.15, 0.5, 0.5, 0.85, 0.15]
    stroke(window, *zip(x, y))
    return window.get_suptitle().split("\n")[0].removeprefix("It reads: ")


def spots(network, X, y, p, averages):
    """Return how often ink at one spot makes a mistake or a right answer the rival."""
    random, order, numbers = np.random.default_rng(0), np.argsort(-p, axis=1), {}
    wrong, right = np.flatnonzero(order[:, 0] != y), np.flatnonzero(order[:, 0] == y)
    rivals = np.where(order[:, 0] == y, order[:, 1], y)
    leads = np.log(p.max(axis=1) / p[range(len(y)), rivals])
    groups = {"wrong": wrong, "right": random.choice(right, 300, replace=False)}
    alike = [right[np.abs(leads[right] - lead).argmin()] for lead in leads[wrong]]
    for name, chosen in (groups | {"right, as small a lead": alike}).items():
        in_the_ring, anywhere = [], []
        for i in chosen:
            explained = network, X[i], order[i, 0], rivals[i], averages[rivals[i]]
            in_the_ring.append(test_model.missing_ink(*explained).argmax())
            anywhere.append(random.choice(near_ink(X[i])))
        for place, spots in ("in the ring", in_the_ring), ("anywhere", anywhere):
            inked = np.where(test_model.SPOTS[spots], 1, X[chosen])
            answers = network.predict(inked, verbose=0).argmax(axis=1)
            numbers[f"{name}, {place}"] = f"{np.mean(answers == rivals[chosen]):.0%}"
    return numbers | {"mistakes": f"{len(wrong)}"}


def near_ink(pixels):
    """Return the numbers of the pixels that are one or two steps away from the ink."""
    ink = pixels.reshape(28, 28) > 0.5
    return np.flatnonzero(ndimage.maximum_filter(ink, 5) > ink)


def dots(network, X, averages):
    """Return how many of 100 unsure answers in the window a dot makes the runner-up."""
    random, found = np.random.default_rng(0), []
    for pixels in X:
        digit = Image.fromarray(np.uint8(255 * pixels).reshape(28, 28))
        ink = digit.resize((476, 476)).point(lambda light: 255 * (light > 128))
        page = Image.new("RGB", (500, 500), "white")
        page.paste("black", (12, 12), ink)
        seen = test_model.prepare(page)
        answer, rival, p, _ = test_model.read(network, seen)
        if p[answer] >= 0.9 or len(found) == 100:
            continue
        glow = test_model.missing_ink(network, seen, answer, rival, averages[rival])
        answers = []
        for spot in glow.argmax(), random.choice(near_ink(seen)):
            changed = page.copy()
            place = 20.5 + 17 * (spot % 28), 20.5 + 17 * (spot // 28)
            ImageDraw.Draw(changed).circle(place, 20, "black")
            answers.append(test_model.read(network, test_model.prepare(changed))[0])
        found.append([new == rival for new in answers])
    counts = map(str, [len(found), *np.sum(found, axis=0)])
    return dict(zip(["answers", "in the ring", "anywhere"], counts))


def scores(matrix):
    """Return the numbers of the confusion matrix, and of the digit with the lowest F1."""
    mistakes, n = matrix - np.diag(np.diag(matrix)), matrix.sum()
    true, answer = np.unravel_index(mistakes.argmax(), matrix.shape)
    tp, said, are = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    d = np.argmin(tp / (said + are))
    tests = np.random.default_rng(0).multinomial(n, matrix.ravel() / n, 1000)
    f1 = [2 * np.diag(m) / (m.sum(0) + m.sum(1)) for m in tests.reshape(-1, 10, 10)]
    most = f"a {true} read as a {answer}, {mistakes.max()} times"
    of_the_lowest = {
        "lowest": f"the {d}",
        "true positives": f"{tp[d]:,}",
        "false negatives": f"{are[d] - tp[d]}",
        "false positives": f"{said[d] - tp[d]}",
        "true negatives": f"{n - said[d] - are[d] + tp[d]:,}",
        "precision": f"{tp[d]} / {said[d]} = {tp[d] / said[d]:.4f}",
        "recall": f"{tp[d]} / {are[d]} = {tp[d] / are[d]:.4f}",
        "F1": f"{2 * tp[d] / (said[d] + are[d]):.4f}",
        "standard error": f"{np.std(f1, axis=0).mean():.3f}",
    }
    return {
        "The confusion matrix": {"mistakes": f"{mistakes.sum()}", "most": most},
        "Precision, recall and F1 score": of_the_lowest,
    }


def trust(network, X, y, p):
    """Return how sure it is, and how often right, on test images and swapped ones."""
    sure, right, numbers = p.max(axis=1), p.argmax(axis=1) == y, {}
    for low, high in pairwise([0, 0.5, 0.7, 0.9, 0.99, 1.1]):
        group = (sure >= low) & (sure < high)
        shares = f"{sure[group].mean():.1%} | {right[group].mean():.1%}"
        numbers[f"from {low}"] = f"{group.sum():,} | {shares}"
    swapped = network.predict(1 - X, batch_size=1000, verbose=0)
    return numbers | {
        "swapped, right": f"{np.mean(swapped.argmax(axis=1) == y):.0%}",
        "swapped, sure": f"{swapped.max(axis=1).mean():.0%}",
        "luck": f"{196 * right.std() / len(y) ** 0.5:.1f}",
        "accuracy": f"{right.mean():.1%}",
    }


def run(folder, *command):
    """Run a script in `folder` as a user would; return what it prints, in ASCII."""
    command = [sys.executable, ROOT / command[0], *command[1:]]
    printed = subprocess.check_output(command, cwd=folder, text=True)
    return re.sub(r"[^\x00-\x7f]+.*\n?", "", printed)


def main():
    experiments = json.loads(Path(__file__).with_name("experiments.json").read_text())
    X, X_test, y, y_test = model.fetch_data()
    averages = test_model.average_digits(X, y)
    with tempfile.TemporaryDirectory() as name:
        folder, start = Path(name), time.time()
        training = run(folder, "model.py")
        seconds = time.time() - start
        printed = training + run(folder, "test_model.py")
        run(folder, "test_model.py", *sorted(ROOT.glob("tests/pictures/*")))
        (weights,) = [block for block in blocks("python") if "get_weights" in block]
        script = weights.replace("plt.show()", 'plt.savefig("weights.png")')
        subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
        for path in folder.glob("*.png"):
            keep(Image.open(path), path.stem)
        network = keras.models.load_model(folder / "mnist.keras")
    draw_data(X, y)
    draw_network()
    draw_fifty_epochs(experiments["fifty epochs"])
    p = network.predict(X_test, batch_size=1000, verbose=0)
    *_, accuracy, loss = map(float, re.findall(r"val_\w+: (\S+)", training))
    trusted = trust(network, X_test, y_test, p) | {"validation": f"{accuracy:.1%}"}
    numbers = scores(metrics.confusion_matrix(y_test, p.argmax(axis=1))) | {
        "Why did it make that mistake?": spots(network, X_test, y_test, p, averages),
        "Can you trust it?": trusted | {"H": draw_window(network, averages)},
        "Your own handwriting": dots(network, X_test[:4000], averages),
        "Try changing it": {"original": f"{loss:.3f}"},
    }
    record = {"of": checksum("model.py", "test_model.py"), "numbers": numbers}
    record |= {"printed": printed.splitlines(), "seconds": round(seconds)}
    file = Path(__file__).with_suffix(".json")
    file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
