"""Compare the results of `dvc repro` in two clones, byte for byte.

    python tools/compare_results.py OLD NEW

Weights, episodes, curves, tables, metrics and SavedModels must have the same bytes. Pictures and
the report may differ if their code does; they are only listed. Exit with 1 if a result differs or
is missing.
"""

import sys
from pathlib import Path

PICTURES = (".png", ".gif", ".html")
DRAWN = ("panels.json", "film.json")


def files_of(clone: Path) -> dict[str, Path]:
    """Map the paths of the stages' files in a clone to these files."""
    found = [*(clone / "data").rglob("*"), *(clone / "report").rglob("*.html")]
    return {str(path.relative_to(clone)): path for path in found if path.is_file()}


def main(old: Path, new: Path) -> None:
    """Print the differences and the number of equal files."""
    before, after = files_of(old), files_of(new)
    num_same, results, pictures = 0, [], []
    for name in sorted(before.keys() | after.keys()):
        if name in before and name in after:
            if before[name].read_bytes() == after[name].read_bytes():
                num_same += 1
                continue
            text = f"{name}: differs"
        else:
            text = f"{name}: only in {old if name in before else new}"
        is_picture = name.endswith(PICTURES) or Path(name).name in DRAWN
        (pictures if is_picture else results).append(text)
    print(f"{num_same} files with the same bytes")
    print(f"{len(pictures)} pictures that differ", *pictures, sep="\n  ")
    print(f"{len(results)} results that differ", *results, sep="\n  ")
    sys.exit(bool(results) or not num_same)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
