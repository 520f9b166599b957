"""Point the badges and the set-up cells of the notebooks at a repository on GitHub. Needs nothing but Python.

python tools/colab.py owner/name[@branch]      also https://github.com/owner/name; the branch is main unless you say
python tools/colab.py none                     take it out again
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
USAGE = "make colab REPO=owner/name, or REPO=owner/name@branch; REPO=none takes it out again"
REPOSITORY = re.compile(
    r"(?:(?:https://|git@)github\.com[/:])?([\w-]+/[\w.-]+?)(?:\.git)?/?(?:(?:@|/tree/)([\w./-]+))?"
)
NO_BADGE = "<!-- Colab badge: make colab REPO=owner/name -->"
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)|" + re.escape(NO_BADGE))
NO_BADGES = "<!-- badges: make colab REPO=owner/name adds those of the repository -->"
BADGES = re.compile(rf"(?:{BADGE.pattern})\n\[!\[tests\].*|{re.escape(NO_BADGES)}")
IN_CELL = re.compile(r'^REPO = ".*?"', re.MULTILINE)
IN_PYPROJECT = re.compile(r'^repository = ".*?"', re.MULTILINE)


def main(asked: str) -> int:
    """Stamp `asked` into pyproject.toml, README.md and every notebook; 2 when it names no repository."""
    if not asked:
        print(f"Which repository? {USAGE}", file=sys.stderr)
        return 2
    if asked == "none":
        name = branch = ""
    elif found := REPOSITORY.fullmatch(asked):
        name, branch = found[1], found[2] or "main"
    else:
        print(f"error: {asked!r} is no repository on GitHub: {USAGE}", file=sys.stderr)
        return 2
    replace(ROOT / "pyproject.toml", IN_PYPROJECT, f'repository = "{name}"')
    replace(ROOT / "README.md", BADGES, badges(name, branch))
    for path in NOTEBOOKS:
        stamp(path, name, branch)
    print(f"{len(NOTEBOOKS)} notebooks point at {f'{name}, branch {branch}' if name else 'no repository'}.")
    return 0


def replace(path: Path, pattern: re.Pattern, text: str) -> None:
    """In a file."""
    path.write_text(pattern.sub(text, path.read_text("utf-8")), "utf-8")


def stamp(path: Path, name: str, branch: str) -> None:
    """Write a repository into one notebook; all else in the file stays as it is."""
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        source = BADGE.sub(badge(path.name, name, branch), "".join(cell["source"]))
        source = IN_CELL.sub(f'REPO = "{name}@{branch}"' if name else 'REPO = ""', source)
        cell["source"] = source.splitlines(keepends=True)
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", "utf-8")


def badge(notebook: str, name: str, branch: str) -> str:
    """The Colab badge of a notebook, or the comment that stands for it until the repository is known."""
    if not name:
        return NO_BADGE
    target = f"https://colab.research.google.com/github/{name}/blob/{branch}/notebooks/{notebook}"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target})"


def badges(name: str, branch: str) -> str:
    """The badges of README.md that need a repository: the first notebook, and whether the tests pass."""
    if not name:
        return NO_BADGES
    tests = f"https://github.com/{name}/actions/workflows/ci.yml"
    state = f"[![tests]({tests}/badge.svg?branch={branch})]({tests})"
    return f"{badge(NOTEBOOKS[0].name, name, branch)}\n{state}"


if __name__ == "__main__":
    sys.exit(main("".join(sys.argv[1:])))
