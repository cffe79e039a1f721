"""Find from Snakemake's command line what it was asked for.

The Snakefile has no other way to know it: targets are settled after it has been read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Snakemake's options that take no value: the word after any other option is taken for its value, not for a target.
FLAGS = {
    *("-n", "--dry-run", "--dryrun", "-k", "--keep-going", "-f", "--force", "-F", "--forceall", "-t", "--touch"),
    *("-p", "--printshellcmds", "-l", "--list", "--list-rules", "--lt", "--list-target-rules", "-S", "--summary"),
    *("-D", "--detailed-summary", "--ri", "--rerun-incomplete", "--unlock", "--verbose", "--nocolor", "--nolock"),
    *("--notemp", "--nt", "--no-temp", "--ii", "--ignore-incomplete", "--keep-incomplete", "--show-failed-logs"),
    *("--use-conda", "--debug", "--debug-dag", "--delete-all-output", "--force-use-threads"),
}


@dataclass(frozen=True)
class CommandLine:
    """What a call of Snakemake is for."""

    targets: tuple[str, ...]  # rules and files, as typed; of a job, its rule
    is_job: bool  # Snakemake called itself for one job

    @property
    def fetches(self) -> bool:
        """Whether files are about to be fetched, so that it must not matter that they are missing."""
        return "download" in self.targets


def command_line(words: Sequence[str]) -> CommandLine:
    """Read what a call of Snakemake asks for from its arguments.

    A job's own command line names its rule as in `--target-jobs download:`.

    Args:
        words: The arguments, without the program's name.
    """
    targets: list[str] = []
    before, is_job, ended = "", False, False
    for word in words:
        if before == "--target-jobs":
            targets.append(word.partition(":")[0])
        elif before == "--mode":
            is_job = word in ("subprocess", "remote")
        elif word == "--":
            ended = True
        elif ended or (not word.startswith("-") and "=" not in word and (not before or before in FLAGS)):
            targets.append(word)
        joined = "=" in word or re.fullmatch("-[A-Za-z0-9].+", word)  # --cores=4, -c4
        takes_value = word.startswith("-") and not joined and word not in FLAGS
        keeps = "=" in word and before == "--config"  # --config a=1 b=2
        before = word if takes_value and word != "--" else before if keeps else ""
    return CommandLine(tuple(targets), is_job)
