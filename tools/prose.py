"""Measure how the project's English reads, and list what breaks its rules (CONTRIBUTING.md).

python tools/prose.py            the table, then every sentence and docstring that breaks a rule
python tools/prose.py FILE …     the same for these files

Exits with 1 if a page's median sentence has more than 18 words or its 90th percentile more than 32,
if a docstring begins with a word such as What, or if a word stands for which there is a plainer one.
"""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

MAX_MEDIAN, MAX_90TH = 18, 32  # words in a sentence of a page
LONG = 40  # words; a sentence with more is shown
OPENERS = {"What", "How", "Whether", "Where", "Which", "Why", "That"}
PLAINER = {
    r"\bnobody\b": "no one, or what is meant",
    r"\btwins?\b": "the Gymnasium environment, reference",
    r"\bleaves? the house\b": "is exported",
    r"\bbrings? (\w+ )?into step\b": "updates",
    r"\blearnt\b": "learned",
    r"\bfor that\b": "so, therefore",
    r"\bno others\b": "only …",
    r"\bis peculiar\b": "…",
    r"\bput out of\b": "…",
}
VERBS = frozenset(
    """add allow answer append apply assemble assert attach average begin bound bring build call cast
    center check choose clip close collect combine compare compile compute concatenate continue
    convert copy count create cut deal decide define delete describe discard divide do draw drop
    embed encode end enforce ensure enter enumerate escape estimate evaluate exclude execute exit
    expand export extract fill filter find fit flatten fold format gather generate get give go grow
    handle hash hide hold ignore import infer initialize insert inspect integrate interpret
    iterate join judge keep kill label let limit line list load locate lock log look make map mark
    mask match measure merge mirror move multiply name normalize offer open order pad parse pass
    perform permute pick play plot predict prepare print probe project pull push put raise read
    record reduce refuse register remove rename render repeat replace replay report require reset
    resolve restore return reverse round run sample save say scale score search see seed select send
    separate serve set shorten show skip sort split squash stack start state stop stream strip
    subtract sum switch tabulate take tell test thin time trace track train transform translate
    try turn undo unflatten update use validate verify wait walk warn watch withhold wrap write
    yield zip""".split()
)


def sentences(page: str) -> Iterator[str]:
    """Yield the sentences of a page in Markdown, without code, formulas, headings and pictures."""
    for fence in (r"^```.*?^```", r"^\$\$.*?^\$\$", r"<!--.*?-->"):
        page = re.sub(fence, "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"^(#|!\[|\s*\[?!\[).*$|^( {4,}|\t)(?![-*\d]).*$", "", page, flags=re.MULTILINE)
    page = re.sub(r"\]\([^)]*\)", "", page).replace("[", "")
    # A paragraph, an item of a list and a cell of a table each end a sentence.
    for block in re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) |\||\n(?=>)", page):
        text = " ".join(block.split())
        for sentence in re.split(r"(?<=[.!?])[)\"*_]* (?=[\W_]*[A-Z0-9`])", text):
            if len(words(sentence)) > (2 if sentence[-1:] in {*".!?:"} else 7):  # no cell of a word or two
                yield sentence


def words(text: str) -> list[str]:
    return [word for word in text.split() if re.search(r"\w", word)]


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind (Module, ClassDef, FunctionDef) and the text of each docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            is_property = isinstance(node, ast.FunctionDef) and any(
                "property" in ast.unparse(decorator) for decorator in node.decorator_list
            )
            if text:
                yield "property" if is_property else type(node).__name__, text


def plainer(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for pattern, word in PLAINER.items():
            if found := re.search(pattern, line):
                yield f"{path}:{number}: {found[0]}: rather {word}"


def main(files: Iterable[Path]) -> None:
    mistakes = []
    print(f"{'page':28} {'sentences':>9} {'median':>7} {'90th':>5}")
    for path in sorted(file for file in files if file.suffix == ".md"):
        lengths = sorted(len(words(sentence)) for sentence in sentences(path.read_text()))
        median, high = statistics.median(lengths), lengths[int(0.9 * (len(lengths) - 1))]
        print(f"{str(path):28} {len(lengths):9} {median:7g} {high:5}")
        if median > MAX_MEDIAN or high > MAX_90TH:
            mistakes.append(f"{path}: expected {MAX_MEDIAN} and {MAX_90TH} words at most")
            mistakes += [
                f"{path}: {len(words(s))} words: {s}"
                for s in sentences(path.read_text())
                if len(words(s)) > LONG
            ]
    texts = [
        (path, kind, text)
        for path in sorted(files)
        if path.suffix == ".py"
        for kind, text in docstrings(path)
    ]
    functions = [text for _, kind, text in texts if kind == "FunctionDef"]
    imperative = sum(text.split()[0].lower().strip(",.") in VERBS for text in functions)
    print(f"docstrings: {len(texts)}; of {len(functions)} functions {imperative} imperative")
    for path, _, text in texts:
        if re.split(r"\W", text)[0] in OPENERS:
            mistakes.append(f"{path}: a docstring begins with {text.split()[0]}: {text[:60]}")
    for path in files:
        if path != Path("tools/prose.py"):
            mistakes += plainer(path)
    sys.exit("\n".join(mistakes) or None)


if __name__ == "__main__":
    tracked = subprocess.check_output(["git", "ls-files"], text=True).split()
    chosen = sys.argv[1:] or [name for name in tracked if name.endswith((".md", ".py", ".yaml"))]
    main([Path(name) for name in chosen])
