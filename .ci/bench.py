"""Run every benchmark: each package or module under benchmarks/ that can be run as a module, one after another.

`make bench ARGS="notifications"` runs those whose name contains the word.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """Return the names of the modules to run, in order."""
    folder = ROOT / "benchmarks"
    packages = {file.parent for file in folder.rglob("__main__.py")}
    found = [".".join(package.relative_to(ROOT).parts) for package in packages]
    found += [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in folder.rglob("bench_*.py")
        if not packages & set(file.parents)
    ]
    return sorted(found)


def main(words: list[str]) -> int:
    """Run those whose name contains one of the words, all without any; return how many failed."""
    failed = 0
    for name in modules():
        if words and not any(word in name for word in words):
            continue
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", name], cwd=ROOT, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Run every benchmark, one after another.", epilog=f"They are: {', '.join(modules())}."
    )
    parser.add_argument("word", nargs="*", help="run those whose name contains it")
    wanted = parser.parse_args().word
    for word in wanted:
        if not any(word in name for name in modules()):
            parser.error(f"no benchmark's name contains {word!r}")
    sys.exit(1 if main(wanted) else 0)
