"""What README.md shows: its code, its exercises, and the text under each heading."""

import ast
import re
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MODEL = (ROOT / "model.py").read_text("utf-8")


def blocks(language):
    """Return the page's code in this language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def section(heading):
    """Return the text between a heading and the next one, whatever their levels."""
    parts = re.split(r"^#+ (.*)\n", README, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))[heading]


def changed(diff):
    """Return model.py as an exercise wants it: with the lines with +, without those with -."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert MODEL.count(old) == 1, f"model.py doesn't have these lines, once:\n{old}"
    return MODEL.replace(old, new)


def checksum(*names):
    """Return a number that changes if the code of these scripts does."""
    code = ""
    for name in names:
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef):
                node.body = node.body[ast.get_docstring(node) is not None :]
        code += ast.unparse(tree)
    return zlib.crc32(code.encode())
