"""The `craft` command: one lazily imported module a command.

`craft --help` imports click and nothing else, so it answers at once. A command is listed in `LAZY` with its
module and the line that help shows for it; it is the module's function of the same name (hyphens become
underscores, and a word that Python has itself gets one behind it).

Data goes to standard output, words to standard error. Exit status: 0 done, 1 a run failed, 2 wrong use or a
wrong file, 130 interrupted. What a person did wrong is one message, never a traceback.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from craft import __version__
from craft.errors import CraftError

LAZY: dict[str, tuple[str, str]] = {
    "init": ("craft.cli.init", "Write a first experiments file, for your own text."),
    "validate": ("craft.cli.validate", "Check an experiments file."),
    "show": ("craft.cli.show", "Show an experiment resolved, with the line each value comes from."),
    "estimate": ("craft.cli.estimate", "Show what an experiment costs, and whether it fits here."),
    "schema": ("craft.cli.schema", "Print the JSON Schema that editors complete with."),
    "data": ("craft.cli.data", "Prepare the text of an experiment, and look at a batch of it."),
    "tokenizer": ("craft.cli.tokenizer", "Learn a vocabulary from a text, and look at what it makes of one."),
    "run": ("craft.cli.run", "Train experiments and follow them."),
    "runs": ("craft.cli.runs", "List the runs and what they are doing."),
    "watch": ("craft.cli.watch", "Follow a run with its curves, and leave it alone."),
    "status": ("craft.cli.status", "Show all about one run."),
    "logs": ("craft.cli.logs", "Print what a run's worker printed."),
    "stop": ("craft.cli.stop", "Let runs save and leave."),
    "kill": ("craft.cli.kill", "End runs at once, saving nothing."),
    "pause": ("craft.cli.pause", "Let runs stand still where they are."),
    "continue": ("craft.cli.pause", "Let paused runs go on."),
    "checkpoint": ("craft.cli.checkpoint", "Let runs that train save now."),
    "sample": ("craft.cli.sample", "Let runs that train write now."),
    "set": ("craft.cli.set", "Change the learning rate or the cadence of runs that train."),
    "rm": ("craft.cli.rm", "Delete runs, or single checkpoints, for good."),
    "prune": ("craft.cli.prune", "Delete older checkpoints of runs that have ended."),
    "queue": ("craft.cli.queue", "Show what waits and why, and change it."),
    "group": ("craft.cli.group", "Sum up the runs of a sweep."),
    "resume": ("craft.cli.resume", "Go on with a run, or train it longer."),
    "fork": ("craft.cli.fork", "Go on from any checkpoint as a new run, with settings changed."),
    "generate": ("craft.cli.generate", "Let a checkpoint write."),
    "note": ("craft.cli.note", "Put a star, tags and a note on runs."),
    "compare": ("craft.cli.compare", "Lay runs over each other: curves, figures, differences."),
    "evaluate": ("craft.cli.evaluate", "Measure a checkpoint, and how fast it writes."),
    "doctor": ("craft.cli.doctor", "Check this machine and the runs, and put right what can be."),
}
"""Command -> (module, one line of help), in the order that help shows."""


class ClosedPipeError(Exception):
    """Whoever read standard output left early, as `head` does. That is no error; click alone would make it one."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(LAZY)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LAZY:
            return None
        module, _ = LAZY[cmd_name]
        found, function = importlib.import_module(module), cmd_name.replace("-", "_")
        command = getattr(found, function, None) or getattr(found, f"{function}_")
        assert isinstance(command, click.Command), f"{module} holds no click command {cmd_name}"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if LAZY:
            with formatter.section("Commands"):
                formatter.write_dl([(name, line) for name, (_, line) in LAZY.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if not incomplete.startswith("-"):
            return [CompletionItem(n, help=line) for n, (_, line) in LAZY.items() if n.startswith(incomplete)]
        return click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in LAZY and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, LAZY, n=1, cutoff=0.5)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise click.UsageError(f"no command '{name}'{hint}; 'craft --help' lists them", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError as error:
            raise ClosedPipeError from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipeError from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="'craft COMMAND --help' tells more. The workbench for the whole screen is craft-workbench.",
)
@click.version_option(__version__, message="craft %(version)s")
def craft() -> None:
    """Train small models, watch them learn, compare them and talk to them."""


def main() -> NoReturn:
    """Run the command line and leave with its exit status."""
    status = 0
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
    try:
        result = craft.main(prog_name="craft", standalone_mode=False)
        status = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except (BrokenPipeError, ClosedPipeError):
        # Nothing more can be written, also not by the interpreter's own flush at exit: it leads nowhere from here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (KeyboardInterrupt, click.Abort):
        status = 130
    except click.exceptions.Exit as leaving:
        status = leaving.exit_code
    except click.ClickException as wrong_use:
        status = _wrong_use(wrong_use)
    except CraftError as mistake:
        status = _report(str(mistake), mistake.exit_status, located=bool(getattr(mistake, "problems", ())))
    except OSError as fault:
        where = f": {fault.filename}" if fault.filename else ""
        status = _report(f"{fault.strerror or fault}{where}", 2)
    sys.exit(status)


def _open_closed_streams() -> None:
    """Lead nowhere what a daemon or a shell's `>&-` has closed; else the first file to be opened takes its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, "r" if number == 0 else "w"))  # noqa: PTH123, SIM115 - for the process's life


def _wrong_use(error: click.ClickException) -> int:
    """Say what click found wrong, and where the right use is described."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is not None and isinstance(error, click.UsageError) and context.parent is not None:
        message += f"\n{context.get_usage()}\n'{context.command_path} --help' tells more."
    return _report(message, 2)


def _report(message: str, status: int, *, located: bool = False) -> int:
    """Write one message to standard error. One that names file and line stays clickable: no prefix."""
    from craft.text import clean

    text = clean(message)
    sys.stderr.write(f"{text}\n" if located else f"craft: {text}\n")
    return status
