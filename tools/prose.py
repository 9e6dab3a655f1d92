"""Measure how the project's English reads, and list what breaks its rules (see CONTRIBUTING.md).

    python tools/prose.py [FILE …]     # default: every page, Python and YAML file that git tracks

Exits with 1 if the sentences of a page are too long (median above 18 words or 90th percentile above
32), if a docstring begins with a word such as What, or if a file uses a word from `AVOIDED`.
"""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_MEDIAN, MAX_90TH = 18, 32  # words in a sentence
LONG = 40  # words; longer sentences of a page that is over the limits are listed
OPENERS = {"What", "How", "Whether", "Where", "Which", "Why", "That"}
AVOIDED = {
    "learnt": "learned",
    "nobody": "no one",
    "twin": "the Gymnasium environment",
    "leaves the house": "is exported",
    "into step": "up to date",
    "such ones": "these",
    "no others": "only",
    "for that": "so",
}
VERBS = set(  # with which docstrings of functions begin
    """
    accept add allocate allow answer append apply arrange assemble assert assign attach average
    begin bound bring build call cast center change check choose clip close collect combine
    compare compile compute concatenate continue convert copy count create cut deal decide
    define delete describe discard distribute divide do draw drop duplicate embed encode end
    enforce ensure enter enumerate escape estimate evaluate exclude execute exit expand export
    extract fill film filter find fit flatten flush fold forget format gather generate get give
    go grow handle hash hide hold ignore import infer initialize insert inspect integrate
    interpret iterate join judge keep kill label learn leave let limit line list load locate
    lock log look make map mark mask match measure merge mirror move multiply name normalize
    observe offer open order pad parse pass pause perform permute pick play plot predict prefix
    prepare print probe project pull push put raise read record reduce refuse register release
    remove rename render repeat replace replay report request require reset reshape resolve
    respond restore return reverse round run sample save say scale score search see seed select
    send separate serve set shorten show skip smooth sort specify split squash stack start
    state step stop stream strip subtract sum summarize suppress switch tabulate take tell test
    thin time trace track train transform translate try turn undo unflatten update use validate
    verify wait walk warn watch withhold wrap write yield zip
    """.split()  # noqa: SIM905
)


def sentences(page: str) -> Iterator[str]:
    """Yield the sentences of a page in Markdown, without code, formulas, headings and pictures."""
    for block in (r"^```.*?^```", r"^\$\$.*?^\$\$", r"<!--.*?-->"):
        page = re.sub(block, "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"^(#|\s*!\[).*$|^( {4,}|\t)(?![-*\d]).*$", "", page, flags=re.MULTILINE)
    page = re.sub(r"\]\([^)]*\)", "", page).replace("[", "")
    # A paragraph, an item of a list and a cell of a table each end a sentence.
    for block in re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) |\||\n(?=>)", page):
        for text in re.split(r"(?<=[.!?])[)\"*_]* (?=[\W_]*[A-Z0-9`])", " ".join(block.split())):
            # A cell of a few words is no sentence.
            if len(words(text)) > (2 if text[-1:] in {*".!?:"} else 7):
                yield text


def words(text: str) -> list[str]:
    """Split a text at white space, and keep what has a letter or digit."""
    return [word for word in text.split() if re.search(r"\w", word)]


def check_page(path: Path) -> Iterator[str]:
    """Print a page's statistics, and yield a message for each limit and long sentence it has."""
    page = list(sentences(path.read_text()))
    lengths = sorted(len(words(sentence)) for sentence in page)
    median, high = statistics.median(lengths), lengths[int(0.9 * (len(lengths) - 1))]
    print(f"{path!s:28} {len(lengths):9} {median:7g} {high:5}")
    if median > MAX_MEDIAN or high > MAX_90TH:
        yield f"{path}: expected {MAX_MEDIAN} and {MAX_90TH} words, received {median:g} and {high}"
        for sentence in page:
            if len(words(sentence)) > LONG:
                yield f"{path}: {len(words(sentence))} words: {sentence}"


def docstrings(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield the docstrings of a Python file, each with the node that has it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node, text


def is_imperative(node: ast.AST, text: str) -> bool | None:
    """Tell whether a function's docstring begins with a verb; None if it is no function's."""
    if not isinstance(node, ast.FunctionDef) or any(
        "property" in ast.unparse(decorator) for decorator in node.decorator_list
    ):
        return None
    return re.split(r"\W", text)[0].lower() in VERBS


def check_words(path: Path) -> Iterator[str]:
    """Yield a message for each word of a file for which there is a plainer one."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for word, plainer in AVOIDED.items():
            if re.search(rf"\b{word}s?\b", line):
                yield f"{path}:{number}: expected {plainer!r}, received {word!r}"


def main(files: list[Path]) -> None:
    mistakes = []
    print(f"{'page':28} {'sentences':>9} {'median':>7} {'90th':>5}")
    for path in files:
        if path.suffix == ".md":
            mistakes += check_page(path)
    found = [
        (path, node, text)
        for path in files
        if path.suffix == ".py"
        for node, text in docstrings(path)
    ]
    moods = [mood for _, node, text in found if (mood := is_imperative(node, text)) is not None]
    print(f"{len(found)} docstrings; {sum(moods)} of {len(moods)} functions' in the imperative")
    for path, _, text in found:
        if re.split(r"\W", text)[0] in OPENERS:
            mistakes.append(f"{path}: expected no docstring that begins so: {text[:60]!r}")
    for path in files:
        if path.resolve() != Path(__file__).resolve():
            mistakes += check_words(path)
    sys.exit("\n".join(mistakes) or None)


if __name__ == "__main__":
    tracked = subprocess.check_output(["git", "ls-files"], text=True).split()
    chosen = sys.argv[1:] or [name for name in tracked if name.endswith((".md", ".py", ".yaml"))]
    main([Path(name) for name in chosen])
