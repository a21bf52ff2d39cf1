"""The commands. Exit status: 0 done, 1 the work failed, 2 wrong usage, 3 a drift was found. An error is one line: what,
and what to do.
"""

from __future__ import annotations

import argparse
import errno
import os
import select
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

UNREAD = 141  # what a shell says of a program that wrote to a closed pipe


class Parser(argparse.ArgumentParser):
    """Wrong usage is one line too. then: a look at all options together, which may raise BadInput."""

    then: Callable[[argparse.Namespace], None] | None = None

    def parse_known_args(self, args=None, namespace=None):  # noqa: ANN001, ANN201
        """As argparse does it."""
        found, rest = super().parse_known_args(args, namespace)
        if self.then:
            from .errors import BadInput

            try:
                self.then(found)
            except BadInput as error:
                self.error(str(error))
        return found, rest

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def make_parser() -> Parser:
    """Every command and option."""
    parser = Parser(
        prog="speechnas", description="Search for a speech recogniser that fits a device.",
        epilog="example: speechnas search --corpus homecommands --budget smoke --out runs/first",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=words, description=words, epilog=f"example: {example}")

    def corpus_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--corpus", default="homecommands", help="homecommands, homecommands-dictation, fsdd, "
                         "librispeech, or a CSV or JSONL manifest (path, text, speaker, split)")
        sub.add_argument("--data", metavar="DIR", help="folder of the recordings, for fsdd and librispeech")
        sub.add_argument("--budget", choices=["smoke", "standard", "full"], default="standard",
                         help="smoke: 2 minutes, to see that it works; standard: 15 minutes; full: hours")
        sub.add_argument("--seed", type=seed, default=0, help="of every random choice (default 0)")

    search = command("search", "the whole search, from sound to a found model",
                     "speechnas search --corpus fsdd --data recordings/ --out runs/fsdd")
    corpus_options(search)
    search.add_argument("--out", required=True, metavar="DIR", help="where results go; run again to go on")
    search.add_argument("--device", metavar="NAME", help="a device at hand (speechnas profile --list), an "
                        "estimated one such as raspberry-pi-4, or how to call this machine in the report")
    search.add_argument("--max-latency", type=positive, metavar="MS", help="encoder latency limit in milliseconds, "
                        "two seconds of speech (default: a fifth of the large hand-designed Conformer's)")
    search.add_argument("--max-bytes", type=positive, metavar="N", help="limit on the weights as stored in int8")
    search.add_argument("--max-memory", type=positive, metavar="N", help="limit on working memory, bytes, estimated")
    search.add_argument("--profile", metavar="FILE", help="latencies measured before (default: measure this machine)")

    train = command("train", "train one network from scratch", "speechnas train conformer-small --out runs/small")
    train.add_argument("network", help="a hand-designed network's name, or a file with an architecture's JSON")
    corpus_options(train)
    train.add_argument("--out", required=True, metavar="DIR")

    profile = command("profile", "measure the latency of random architectures on a device at hand, or by a kit on one "
                      "far away", "speechnas profile --device ort-int8 --out int8.json")
    profile.add_argument("--list", action="store_true", help="say which devices there are, at hand and estimated")
    profile.add_argument("--device", metavar="NAME", help="which device at hand (default ort: ONNX Runtime, one "
                         "thread); with --from, what to call the device")
    profile.add_argument("--kit", metavar="DIR", help="write a folder to copy to another machine, which measures there "
                         "with numpy and onnxruntime alone")
    profile.add_argument("--from", dest="result", metavar="FILE", help="read the result.json that a kit wrote")
    profile.add_argument("--count", type=whole, default=100, metavar="N", help="how many (default 100)")
    profile.add_argument("--arch", metavar="FILE", help="measure this architecture (winner.json) instead")
    profile.add_argument("--seed", type=seed, default=0, help="of the random architectures (default 0)")
    profile.add_argument("--out", metavar="FILE", help="where the profile goes (default: a table on the screen)")

    export = command("export", "write a trained network as ONNX, float32, float16 and int8",
                     "speechnas export runs/small --out small.onnx")
    export.add_argument("folder", help="what `speechnas train` or `search` wrote")
    export.add_argument("--out", required=True, metavar="FILE")

    corpus = command("corpus", "write a corpus as WAV files with a manifest",
                     "speechnas corpus --budget smoke --out homecommands/")
    corpus_options(corpus)
    corpus.add_argument("--out", required=True, metavar="DIR")

    bench = command("benchmark", "our own table of trained architectures: build it (hours), compare all strategies on "
                    "it (minutes), or say what it is worth", "speechnas benchmark card")
    bench.add_argument("action", choices=["build", "compare", "card"])
    bench.add_argument("--out", metavar="DIR", default="runs/benchmark", help="where work in progress and results go; "
                       "run it again to go on")
    bench.add_argument("--table", metavar="DIR", help="use, or write, the tables in this folder (default: for build "
                       "OUT/table, else those in the package)")
    bench.add_argument("--seeds", type=whole, default=200, metavar="N", help="searches a strategy (default 200)")
    bench.add_argument("--macro", type=whole, default=615, metavar="N", help="macro architectures (default all, 615)")
    bench.add_argument("--cell", type=whole, default=342, metavar="N", help="cells (default 342; 684 are all)")
    bench.add_argument("--workers", type=whole, default=2, metavar="N", help="processes, one thread each (default 2)")

    monitor = command("monitor", "watch latencies and tell a shift from noise; exit status 3 when a drift was found",
                      "speechnas monitor --baseline runs/first/baseline.json timings.csv --page drift.html")
    task = monitor.add_mutually_exclusive_group(required=True)
    task.add_argument("--baseline", metavar="FILE", help="what search, export or --make-baseline wrote")
    task.add_argument("--make-baseline", metavar="FILE", help="write a baseline there instead of watching")
    source = monitor.add_mutually_exclusive_group(required=True)
    source.add_argument("timings", nargs="?", metavar="TIMINGS",
                        help="a CSV with a column latency_ms, perhaps one called time; - for standard input")
    source.add_argument("--probe", metavar="MODEL.onnx", help="time this model here instead")
    monitor.add_argument("--follow", action="store_true", help="wait for more lines at the end of the CSV")
    monitor.add_argument("--seconds", type=positive, metavar="N",
                         help="how long to probe (default 10) or to follow (default: until Ctrl-C)")
    monitor.add_argument("--smallest", type=positive, default=10.0, metavar="PERCENT",
                         help="the smallest change that must be found; what stays below half of it is no drift "
                         "(default 10)")
    monitor.add_argument("--state", metavar="FILE", help="go on where the last run with this file stopped")
    monitor.add_argument("--page", metavar="FILE.html", help="write a page with a picture")
    monitor.add_argument("--prometheus", metavar="FILE.prom", help="write the state as Prometheus's text format")

    grade = command("grade", "mark your own exercises with the public checks; with --out a class, or with --new write "
                    "an exercise. Your own notebooks run in processes with limits, which is no sandbox: do not run "
                    "strangers' notebooks so. A class is marked in a sandbox (bubblewrap)",
                    "speechnas grade exercises --json marks.json; speechnas grade submitted/ --out marks")
    what = grade.add_mutually_exclusive_group(required=True)
    what.add_argument("path", nargs="?", metavar="PATH", help="the folder of all exercises or one, or a notebook; for "
                      "a class nbgrader's submitted/, a folder of notebooks, or a ZIP from Canvas or Moodle")
    what.add_argument("--new", metavar="ID", help="write a new exercise, such as 03-my-own, in a clone of the course: "
                      "makes its files, and says each time what is still to do")
    grade.add_argument("--json", metavar="FILE", help="write points, max and outcome of each exercise there")
    grade.add_argument("--time", type=positive, metavar="SECONDS",
                       help="limit for each exercise, of which starting takes a few seconds (default 60); in a class, "
                       "what the answer itself computes")
    grade.add_argument("--memory", type=whole, metavar="MB", help="limit for an answer (default 1000)")
    group = grade.add_argument_group("a class", "what a run leaves out of --students, --due, --late-percent, "
                                     "--late-days, --grace, --time and --memory is as in the run before")
    group.add_argument("--out", metavar="DIR", help="where marks, feedback and report go; run again to go on, or to "
                       "grade what changed")
    group.add_argument("--students", metavar="CSV", help="who is in the class: Canvas's gradebook, Moodle's grading "
                       "worksheet or participants, or a CSV with the columns id and name; none: no list any more")
    group.add_argument("--due", metavar="TIME", help="when it was due, such as '2026-11-02 23:59', a day for its end, "
                       "or a CSV with the columns exercise, due and perhaps student, for an extension; none: no time")
    group.add_argument("--late-percent", type=percent, metavar="P", help="of an exercise's points that each "
                       "day begun costs (default 0)")
    group.add_argument("--late-days", type=count, metavar="N", help="free days of each student, for all "
                       "exercises together (default 0)")
    group.add_argument("--grace", type=count, metavar="MINUTES", help="late that does not count (default 0)")
    group.add_argument("--again", action="append", metavar="WHO", help="grade again: STUDENT, STUDENT/EXERCISE or all")
    group.add_argument("--workers", type=whole, default=2, metavar="N", help="processes (default 2)")
    group.add_argument("--seed", type=seed, metavar="N", help="of the inputs (default: drawn once and kept in --out)")
    grade.then = gradable

    command("doctor", "check the installation, say how to mend it, and time this machine", "speechnas doctor")

    reproduce = command("reproduce", "make the figures that the README quotes again",
                        "speechnas reproduce fidelity --out runs/fidelity")
    reproduce.add_argument("name", help="which figure; `list` shows all")
    reproduce.add_argument("--out", metavar="DIR", default="runs/reproduce")
    reproduce.add_argument("--workers", type=whole, default=2, metavar="N", help="processes (default 2)")
    reproduce.add_argument("--search", metavar="RUN", help="whose winner it is about (default: the measured search)")
    return parser


def gradable(arguments: argparse.Namespace) -> None:
    """Whether the path is what the options say it is."""
    from .grading.classes.command import check_place

    check_place(arguments)


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def whole(text: str) -> int:
    """A whole number from 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return value


def count(text: str) -> int:
    """A whole number from 0, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return value


def percent(text: str) -> float:
    """A number from 0 to 100, for argparse."""
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 100")
    return value


def seed(text: str) -> int:
    """A whole number that every random generator takes, for argparse."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    arguments = make_parser().parse_args(argv)
    from .errors import BadInput

    try:
        from . import commands

        status = getattr(commands, arguments.command)(arguments, argv)
        sys.stdout.flush()
    except BrokenPipeError as error:
        return UNREAD if hasattr(select, "poll") and _nobody_reads() else _fail(_disk(error))
    except BadInput as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_disk(error))
    except KeyboardInterrupt:
        return _fail("stopped; run the same command again to go on")
    except MemoryError:
        return _fail("memory is short: end other programs, or take a smaller --budget")
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        if type(error).__module__.startswith(__package__):
            return _fail(str(error))
        return _fail(f"{type(error).__name__}: {error} (`python -X dev -m speechnas_lab ...` shows where)")
    return status or 0


def _nobody_reads() -> bool:
    """Whether who read our output is gone, as in `speechnas ... | head`: no failure, and nothing to say."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    gone = any(event & select.POLLERR for _, event in watch.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written goes nowhere
    return gone


def _disk(error: OSError) -> str:
    """What a file or a disk did not allow, and what to do."""
    place = f" {error.filename2 or error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no room to write{place} ({error.strerror}): free space and run the same command again"
    return f"cannot use{place} ({error.strerror or error}): check the path and its permissions"


def _fail(message: str) -> int:
    print(f"speechnas: {' '.join(message.split())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
