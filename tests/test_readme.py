"""Every number and every picture in the README comes from the current code."""

import hashlib
import json
import re

import numpy as np
import pytest
from record_whole_run import FIGURES, RECORD, fingerprint
from scripts import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = json.loads(RECORD.read_text(encoding="utf-8"))
MATRIX = np.array([row.split() for row in RUN["confusion matrix"]], dtype=int)

# Numbers not measured here: those of the network and the data, which any reader can
# check in the scripts, general facts, and the blog's own figure (91.6%).
GIVEN = """
0 1 2 3 4 5 7 8 9 10 14 15 28 32 42 64 128 210 240 255 784 166 1990 0.003 0.006 0.03
0.1 0.2 0.3 2.3 3.11 3.12 3.13 3.0 91.6% 97% 98% 99% 650 8,256 100,480 109,386 5,000
14,000 50,400 56,000 70,000
"""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def mean(recipe):
    return f"{np.mean(RUN['test accuracy with seeds 0, 1, 2'][recipe]):.1%}"


def f1_scores():
    """Return the F1 score of each digit."""
    return 2 * np.diag(MATRIX) / (MATRIX.sum(axis=0) + MATRIX.sum(axis=1))


def last(name):
    """Return the last value of a column in the lines of progress."""
    return re.search(rf" {name}: ([\d.]+)", RUN["progress"][-1])[1]


def facts():
    """Return everything that the README says about a measurement, in its own words."""
    of_8 = MATRIX[8, 8], MATRIX[:, 8].sum(), MATRIX[8].sum()
    right, said, are = of_8
    precision, recall, total = right / said, right / are, MATRIX.sum()
    f1 = 2 * precision * recall / (precision + recall)
    mistakes = MATRIX - np.diag(np.diag(MATRIX))
    accuracy = np.trace(MATRIX) / total
    first = dict(re.findall(r" (\w+): ([\d.]+)", RUN["progress"][1]))
    long = {name: f"{value:.4f}" for name, value in RUN["50 epochs"].items()}
    today, blogs = mean("today's recipe"), mean("the blog's recipe")
    blogs_scaled = mean("the blog's recipe, pixels from 0 to 1")
    return [
        f"The network reads about {today} of unseen MNIST digits correctly",
        f"the same network reaches only {mean('pixels from 0 to 255')}, not {today}.",
        f"Take the {f1_scores().argmin()}, the digit with the lowest F1 score",
        f"always saying {MATRIX.sum(axis=1).argmax()}, the most common digit",
        f"the number to beat is {MATRIX.sum(axis=1).max() / total:.1%}",
        f"{first['val_accuracy']} against {first['accuracy']}",
        f"With a constant 0.003, accuracy is {mean('one learning rate, 0.003')}",
        f"After 50 epochs, `accuracy` is {long['accuracy']} instead of {last('accuracy')}",
        f"`val_loss` is {long['val_loss']} instead of {last('val_loss')}",
        f"`val_accuracy` even rises a little, to {long['val_accuracy']}",
        f"`val_loss` clearly lower than {last('val_loss')}?",
        f"Here, all {mistakes.sum()} stand out",
        f"most often took a 4 for a 9 ({mistakes[4, 9]} times)",
        f"The reverse happened only {mistakes[9, 4]} times",
        f"| **it is an 8** | {right:,} *true positives* (TP) | {are - right} *false neg",
        f"| **it is another digit** | {said - right} *false positives* (FP) |",
        f"{total - said - are + right:,} *true negatives* (TN) |",
        f"TP / (TP + FP) = {right} / ({right} + {said - right}) = {precision:.4f}",
        f"TP / (TP + FN) = {right} / ({right} + {are - right}) = {recall:.4f}",
        f"2 x precision x recall / (precision + recall) = {f1:.4f}",
        f"its precision is only {are / total:.4f}",
        f"The scale starts at {np.floor(20 * f1_scores().min()) / 20:.2f},",
        f"batches of 32 | {blogs} |",
        f"pixels up to 1 | {blogs_scaled} |",
        f"| this one | {today} |",
        f"accuracy [averages] {today}.",
        f"| this one, with pixels up to 255 | {mean('pixels from 0 to 255')} |",
        f"rate of 0.003 | {mean('one learning rate, 0.003')} |",
        f"was lucky: it got {accuracy:.2%}",
    ]


def test_every_measured_number_matches_the_last_whole_run():
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    text = " ".join(re.sub(r"\]\([^)]*\)", "]", text).split())
    for fact in facts():
        assert fact in text, fact
        text = text.replace(fact, "")
    numbers = re.findall(r"\d[\d,.]*\d%?|\d%?", re.sub(r"`[^`]*`", "", text))
    assert set(numbers) <= set(GIVEN.split())


def test_every_printed_line_matches_the_last_whole_run():
    printed = [*RUN["progress"], *RUN["report"], *RUN["own digits"]]
    printed.append(RUN["row 14 of the first 3"])
    shown = [line for block in blocks("text") for line in block.splitlines()]
    commands = [line for line in shown if line.startswith("python ")]
    assert len(commands) == 2
    assert set(shown) - set(commands) - {"..."} <= set(printed)
    report = "\n".join(RUN["report"][:20])
    assert report in README
    for two_lines in RUN["progress"][:2], RUN["progress"][-2:]:
        assert "\n".join(two_lines) in README


def test_the_record_matches_the_code():
    assert RUN["fingerprint"] == fingerprint(), (
        "The code has changed: run `python tests/record_whole_run.py`, then bring the "
        "README up to date."
    )


def test_the_pictures_match_the_last_whole_run():
    shown = re.findall(r"!\[[^]]+\]\(tests/figures/([^)]+)\)", README)
    assert sorted(shown) == sorted(RUN["pictures"])
    for name, expected in RUN["pictures"].items():
        picture = (FIGURES / name).read_bytes()
        assert hashlib.sha256(picture).hexdigest() == expected
    assert {path.name for path in FIGURES.iterdir()} == set(shown)


def test_claims_about_the_numbers_are_true():
    right, said, are = MATRIX[8, 8], MATRIX[:, 8].sum(), MATRIX[8].sum()
    mistakes = MATRIX - np.diag(np.diag(MATRIX))
    assert are - right > said - right  # "misses more eights than it invents"
    assert np.unravel_index(mistakes.argmax(), (10, 10)) == (4, 9)
    assert RUN["loss of an untrained network"] == pytest.approx(np.log(10), abs=0.2)
    assert f"{np.exp(-0.03):.0%}" == "97%"  # "a loss of 0.03 ..."
    accuracy = np.trace(MATRIX) / MATRIX.sum()
    today = np.mean(RUN["test accuracy with seeds 0, 1, 2"]["today's recipe"])
    assert 0.001 < accuracy - today < 0.003  # "seed 42 ... was lucky", "0.3 points"


@pytest.mark.parametrize("block", blocks("python"))
def test_every_excerpt_is_in_a_script(block):
    scripts = [ROOT / "model.py", ROOT / "test_model.py"]
    assert any(block in script.read_text(encoding="utf-8") for script in scripts)


def test_the_first_two_commands_do_everything():
    for line, end in zip(blocks("sh"), ("python test_model.py", "python -m pytest")):
        assert line.startswith("python3 -m venv .venv && ") and line.count("\n") == 1
        assert line.endswith(f" && {end}\n")


def test_links_within_the_page_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_no_line_begins_with_a_sign_that_markdown_takes_for_a_bullet():
    assert not re.search(r"^ *[+*] ", README, re.MULTILINE)


def test_it_takes_ten_minutes_to_read():
    assert len(re.sub(r"```.*?```", "", README, flags=re.DOTALL).split()) <= 2400
