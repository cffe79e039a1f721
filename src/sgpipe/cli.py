"""The `sgpipe` command: look at a plan and at the store, and train by hand. Snakemake makes the files."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from sgpipe import __version__
from sgpipe.base.errors import SgpipeError, shown
from sgpipe.base.files import atomic
from sgpipe.base.log import LOG
from sgpipe.data.files.sources import Sources
from sgpipe.data.files.table import data_overview
from sgpipe.engines.cpu.engine import instruction_sets
from sgpipe.figures.needs import check_figures
from sgpipe.plan.notices import notices
from sgpipe.plan.outdated import is_made_otherwise
from sgpipe.plan.outputs import outputs_of, tables_of
from sgpipe.plan.plan import Pack, Plan, make_plan
from sgpipe.plan.show import planned_run, show
from sgpipe.plan.status import status, watch
from sgpipe.plan.table import overview
from sgpipe.results.exporting import export_runs
from sgpipe.results.importing import import_runs
from sgpipe.results.store import Store
from sgpipe.rules.aggregate import begun, collect
from sgpipe.rules.claims import judge_claims, write_scoreboard
from sgpipe.rules.download import download
from sgpipe.rules.draw import draw
from sgpipe.rules.ended_badly import failed_lines, retry
from sgpipe.rules.explore import experiment_files, explore
from sgpipe.rules.initial_state import initial_state
from sgpipe.rules.new_study import new_study
from sgpipe.rules.prepare_task import prepare_task
from sgpipe.rules.train_pack import train_pack_of
from sgpipe.rules.write_nir import write_nir
from sgpipe.spec.config import Config, load_config
from sgpipe.spec.reference_page import config_table, knob_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code. Bad input is one line on the error stream and exit code 1."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if unprintable := [word for word in words if word and not word.isprintable()]:
        print(f"sgpipe: {shown(unprintable[0])}: has characters that cannot be printed", file=sys.stderr)
        return 1
    options = _parser().parse_args(_settings_apart(words))
    try:
        if options.command is _new:  # in a folder that has no settings yet
            _new(options)
            return 0
        changes = dict(_pair(text) for text in options.set)
        if options.config == "config.yaml" and not Path(options.config).exists():
            raise SgpipeError("config.yaml: no such file; run from the folder of the Snakefile, or give --config FILE")
        config = load_config(options.config, changes, fetching=options.command is _download)
        options.command(config, options)
    except SgpipeError as error:
        print(f"sgpipe: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has seen enough
        sys.stderr.close()
    except OSError as error:
        print(f"sgpipe: {error.filename or 'files'}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line, as all errors do; without the usage, which --help has."""
        print(f"sgpipe: {' '.join(message.split())}; {self.prog} --help says more", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sgpipe", description=__doc__)
    parser.add_argument(
        "--version", action="version", version=f"sgpipe {__version__}; C++ engine: {instruction_sets()}"
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", default="config.yaml", metavar="FILE", help="file of settings (config.yaml)")
    shared.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change settings, e.g. scale=paper; --config KEY=VALUE ... does the same, as in snakemake",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, help_text: str, *examples: str) -> argparse.ArgumentParser:
        lines = "\n".join(f"  sgpipe {name} {example}".rstrip() for example in examples)
        sub = commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            parents=[shared],
            epilog=f"examples:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    mine = "--config 'experiments=[mine.yaml]'"
    text = "make a folder for your own study: a Snakefile, settings, and an experiment that runs"
    new = add("new", _new, text, "my-study")
    new.add_argument("folder", metavar="FOLDER", help="e.g. my-study; must not exist yet")
    text = "print runs, store hits, packs and estimated time by experiment, and what else there is to make"
    add("plan", _plan, text, "", "--config scale=paper", mine)
    text = "check config.yaml and the experiment files: print ok and their size, or what is wrong and where"
    add("check", _check, text, "", mine)
    text = "list the stored runs that raised an error or diverged: a line each with experiment, reason and log"
    add("failed", _failed, text, "", "--config results=elsewhere")
    text = "print how many runs are done, running, failed and to do, by experiment, and the time left"
    status = add("status", _status, text, "", "--watch", "--watch 60 --config scale=paper")
    every = "repeat every SECONDS (10) until all is done or Ctrl-C is pressed"
    status.add_argument("--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS", help=every)
    text = "print everything about a run: knobs, versions, machine, data, results, and the command that repeats it"
    show = add("show", _show, text, "0123456789abcdef", "0123 --config scale=paper")
    show.add_argument(
        "run", metavar="RUN", help="run id, as in the column run_id of a table, or the first digits of it"
    )
    text = "train an experiment's networks, or one run, into the store, here and now, without Snakemake"
    train = add("train", _train, text, "zenke2021_fig3", "zenke2021_fig2 --config scale=smoke", "0123456789abcdef")
    train.add_argument(
        "target", metavar="EXPERIMENT|RUN", help="e.g. zenke2021_fig3, or a run id or the first digits of it"
    )
    text = "forget failed runs, so that the next `snakemake` trains them again, and print what is kept and why"
    again = add("retry", _retry, text, "", "0123456789abcdef")
    again.add_argument("runs", nargs="*", metavar="RUN", help="run ids; default: all that raised an error")
    text = "list the data sets: the source that each would have, and the files found for it"
    add("data", _data, text, "", "--config data_dir=/path/to/files")
    text = "fetch missing published files into data_dir"
    fetch = add("download", _download, text, "", "shd mnist_latency --config data_dir=/path/to/files")
    fetch.add_argument("tasks", nargs="*", metavar="TASK", help="default: those that the experiments need")
    text = "write the stored runs of experiments into one file, for another store"
    export = add("export", _export, text, "runs.tar", "runs.tar zenke2021_fig3 --without-weights --config scale=paper")
    export.add_argument("file", metavar="FILE", help="e.g. runs.tar")
    export.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: all")
    export.add_argument("--without-weights", action="store_true", help="results only: a quarter of the size")
    text = "store the runs that `sgpipe export` wrote, as if they had been trained here"
    bring = add("import", _import, text, "runs.tar")
    bring.add_argument("file", metavar="FILE", help="e.g. runs.tar")
    text = "write a trained network in the Neuromorphic Intermediate Representation, for other libraries (docs/nir.md)"
    leave = add("nir", _nir, text, "0123456789abcdef net.nir", "0123456789abcdef net.nir --euler --dt 1e-4")
    leave.add_argument("run", metavar="RUN", help="run id, as in the column run_id of a table")
    leave.add_argument("file", metavar="FILE", help="e.g. net.nir")
    leave.add_argument("--euler", action="store_true", help="for libraries that take forward Euler steps, as most do")
    leave.add_argument(
        "--dt", type=_seconds, metavar="SECONDS", help="length of a step in the file; snnTorch expects 1e-4"
    )
    text = "write the tables of experiments from the runs that have ended so far"
    collect = add("collect", _collect, text, "tables", "tables zenke2021_fig9 --config scale=paper")
    collect.add_argument("output", metavar="FOLDER", help="folder for the tables, from which `sgpipe draw` draws")
    collect.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help="default: all with at least one ended run"
    )
    text = "draw figures from experiment tables alone, without the store or training"
    draw = add("draw", _draw, text, "docs/results/paper pictures --config scale=paper")
    draw.add_argument("tables", metavar="FOLDER", help="folder of experiment tables, e.g. docs/results/paper")
    draw.add_argument("output", metavar="OUTPUT", help="folder for the pictures, e.g. /tmp/redrawn")
    text = "judge the papers' claims from experiment tables alone, without the store"
    claims = add("claims", _claims, text, "docs/results/paper verdicts --config scale=paper")
    claims.add_argument("tables", metavar="FOLDER", help="folder of experiment tables, e.g. docs/results/paper")
    claims.add_argument("output", metavar="OUTPUT", help="folder for claims.parquet, .md, .html and figures/claims.png")
    text = "write a page to explore in, with every network of a folder's tables and every claim (needs sgpipe[explore])"
    explored = add("explore", _explore, text, "docs/results explorer.html", "results/laptop explorer.html")
    explored.add_argument(
        "tables", metavar="FOLDER", help="folder of experiment tables; those in folders below count too"
    )
    explored.add_argument("output", metavar="OUTPUT", help="the page, e.g. explorer.html")
    text = "write the scoreboard: every claim once, judged by the best of all tables below a folder"
    board = add("scoreboard", _scoreboard, text, "", "docs/results docs/claims")
    board.add_argument("tables", nargs="?", default="docs/results", metavar="FOLDER", help="default: docs/results")
    board.add_argument("output", nargs="?", default="docs/claims", metavar="OUTPUT", help="default: docs/claims")
    knobs = add("knobs", _knobs, "write docs/knobs.md, the table of every knob and setting", "", "--check")
    knobs.add_argument("--check", action="store_true", help="only check whether the file is up to date")
    return parser


def _settings_apart(words: Sequence[str]) -> list[str]:
    """Give each KEY=VALUE a --set of its own: `--config scale=paper seed=1` is how Snakemake takes several.

    `--config FILE`, without =, names the file of settings.
    """
    found, ahead = [], list(words)
    while ahead:
        word = ahead.pop(0)
        option, _, value = word.partition("=")
        if option not in ("--config", "--set"):
            found.append(word)
            continue
        settings = [value] if value else []
        while ahead and "=" in ahead[0] and not ahead[0].startswith("-"):
            settings.append(ahead.pop(0))
        if not settings or (option == "--config" and "=" not in settings[0]):
            found.append(word)
            settings = settings[1:]
        found += [f"--set={one}" for one in settings]
    return found


def _pair(text: str) -> tuple[str, str | list[str]]:
    key, equals, value = text.partition("=")
    if not equals:
        raise SgpipeError(f"--set {text}: give it as KEY=VALUE, e.g. --set scale=paper")
    if value.startswith("[") and value.endswith("]"):  # as Snakemake's --config takes lists
        return key, [item.strip() for item in value[1:-1].split(",") if item.strip()]
    return key, value


def _new(options: argparse.Namespace) -> None:
    for path in new_study(options.folder):
        print(path)
    print(f"next: cd {options.folder} && snakemake --cores 2 --config scale=smoke")


def _plan(config: Config, options: argparse.Namespace) -> None:
    plan = make_plan(config)
    print(overview(plan))
    _say(notices(plan))


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        LOG.warning(line)


def _check(config: Config, options: argparse.Namespace) -> None:
    plan = make_plan(config)
    check_figures(plan.experiments)
    _say(notices(plan))
    runs = len({run.id for pack in plan.packs.values() for run in pack.runs})
    print(f"ok: {_many(len(plan.experiments), 'experiment')}, {_many(runs, 'run')} at scale {config.scale}")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def _status(config: Config, options: argparse.Namespace) -> None:
    plan = make_plan(config)
    if options.watch is None:
        print(status(plan))
        return
    with suppress(KeyboardInterrupt):
        watch(plan, options.watch, _in_place)


def _in_place(text: str) -> None:
    """Show a text in place of the one before; where the output is no terminal, after it."""
    print(f"\033[H\033[J{text}" if sys.stdout.isatty() else f"{text}\n", flush=True)


def _show(config: Config, options: argparse.Namespace) -> None:
    changes = [f"--set={one}" for one in options.set if not one.startswith(("scale=", "results="))]
    file = [] if options.config == "config.yaml" else [f"--config={options.config}"]
    print(show(make_plan(config), options.run, [*file, *changes]))


def _train(config: Config, options: argparse.Namespace) -> None:
    plan, target = make_plan(config), options.target
    if re.fullmatch("[0-9a-f]{4,16}", target) and target not in plan.experiments:
        _train_packs(plan, [Pack(target, (planned_run(plan, target),))])
        return
    if not plan.experiment(target).trains:
        raise SgpipeError(f"{target}: trains nothing; `snakemake --cores 1 {target}` makes it")
    check_figures({target: plan.experiment(target)})
    _say(notices(plan, [target]))
    _train_packs(plan, map(plan.pack, plan.packs_for(target)))


def _train_packs(plan: Plan, packs: Iterable[Pack]) -> None:
    for pack in packs:
        run = pack.runs[0]
        task = plan.task_path(run.data_id)
        if not task.exists() or is_made_otherwise(task, plan.task_notes(run.data_id)):
            prepare_task(plan, run.data_id, task, task.with_suffix(".json"), plan.config.threads)
        for init_id in pack.init_ids:
            state = plan.init_path(init_id)
            if not state.exists() or is_made_otherwise(state, plan.init_notes(init_id)):
                initial_state(plan, init_id, task, state)
        train_pack_of(plan, pack, task)


def _data(config: Config, options: argparse.Namespace) -> None:
    print(data_overview(Sources(config.data_dir, config.data, config.results)))


def _download(config: Config, options: argparse.Namespace) -> None:
    download(make_plan(config), options.tasks)


def _failed(config: Config, options: argparse.Namespace) -> None:
    for line in failed_lines(make_plan(config)):
        print(line)


def _retry(config: Config, options: argparse.Namespace) -> None:
    for line in retry(config.results, options.runs):
        print(line)


def _export(config: Config, options: argparse.Namespace) -> None:
    plan = make_plan(config)
    chosen = [plan.experiment(name) for name in options.experiments] or list(plan.experiments.values())
    runs = {run_id: spec for experiment in chosen if experiment.trains for run_id, spec in experiment.runs.items()}
    done = export_runs(plan.store, runs.values(), options.file, weights=not options.without_weights)
    bare = f", {done.bare} of them without weights, which the store has not" if done.bare else ""
    print(f"{done.runs} of {len(runs)} runs in {options.file}{bare}")
    _tell(done.problems, f"{options.file}: lacks {len(done.problems)} runs of the store, named above")


def _import(config: Config, options: argparse.Namespace) -> None:
    done = import_runs(Store(Path(config.results) / "runs"), options.file)
    print(f"{done.new} runs filed, {done.known} were here already; `snakemake` takes them from the store", flush=True)
    _tell(done.problems, f"{options.file}: not everything in it was filed, see above; export or copy it again")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in seconds, e.g. 1e-4")
    return value


def _nir(config: Config, options: argparse.Namespace) -> None:
    store = Store(Path(config.results) / "runs")
    unsaid = write_nir(store, options.run, options.file, options.euler, options.dt)
    print("\n".join([options.file, *(f"not said in it: {line}" for line in unsaid)]))


def _tell(problems: Sequence[str], summary: str) -> None:
    """Print a line for each problem; raise SgpipeError with their summary if there are any."""
    for problem in problems:
        print(f"sgpipe: {problem}", file=sys.stderr)
    if problems:
        raise SgpipeError(summary)


def _collect(config: Config, options: argparse.Namespace) -> None:
    plan = make_plan(config)
    names = options.experiments or list(begun(plan))
    if not names:
        raise SgpipeError("none of the runs has ended yet; `snakemake` trains them")
    for name in names:
        path = Path(options.output) / f"{name}.parquet"
        ended, planned = collect(plan, name, path)
        print(f"{path}: {ended} of {planned} runs")


def _draw(config: Config, options: argparse.Namespace) -> None:
    plan, folder, output = make_plan(config), Path(options.tables), Path(options.output)
    found = [name for name in plan.experiments if (folder / f"{name}.parquet").is_file()]
    if not found:
        raise SgpipeError(f"{folder}: no table of an experiment there, e.g. {next(iter(plan.experiments))}.parquet")
    for name in found:
        experiment = plan.experiments[name]
        if experiment.compare and not (folder / f"{experiment.compare}.parquet").is_file():
            print(f"{name}: no comparison, since {folder / experiment.compare}.parquet is not there")
            experiment = replace(experiment, compare="")
        tables, outputs = tables_of(experiment, folder), outputs_of(experiment, output)
        if lacking := [path for path in tables.values() if not path.exists()]:
            print(f"{name}: left out, since {lacking[0]} is not there")
            continue
        draw(experiment.draw, tables, outputs)
        print(outputs[0])


def _claims(config: Config, options: argparse.Namespace) -> None:
    print(judge_claims(make_plan(config).experiments, options.tables, options.output))
    print(Path(options.output) / "claims.html")


def _explore(config: Config, options: argparse.Namespace) -> None:
    files = [*(str(path) for path in Path("workflow/experiments").glob("*.yaml")), *config.experiments]
    print(explore(options.tables, options.output, experiment_files(dict.fromkeys(files))))
    print(options.output)


def _scoreboard(config: Config, options: argparse.Namespace) -> None:
    print(write_scoreboard(options.tables, options.output))
    print(Path(options.output) / "scoreboard.md")


def _knobs(config: Config, options: argparse.Namespace) -> None:
    path, text = Path("docs/knobs.md"), knob_table() + "\n" + config_table()
    if options.check and (not path.is_file() or path.read_text() != text):
        raise SgpipeError(f"{path}: out of date; run `sgpipe knobs`")
    if not options.check:
        with atomic(path) as temporary:
            temporary.write_text(text)
