"""The dry run: a few real steps of the text as it is now, in a process of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work

from workbench.screens.experiments.messages import DryRunEnded, DryRunProgressed
from workbench.screens.experiments.parts import Parts

if TYPE_CHECKING:
    from craft.launch.dry_run import DryRun, Progress


class Measuring(Parts):
    """One dry run at a time; it goes on while the text is edited, and ends with the screen."""

    dry_run: DryRun | None = None
    progress: Progress | None = None
    dry_run_fault = ""
    """Why the last one failed."""

    def action_measure(self) -> None:
        row = self.listing.selected
        if row is None or self.dry_run is not None:
            return
        runs = self.plan_chosen(row.name)
        if not runs:
            return
        from craft.launch.dry_run import DryRun, Progress

        self.dry_run = DryRun(runs[0], self.app.project.runs_dir)
        self.progress, self.dry_run_fault = Progress(f"{row.name}, starting"), ""
        self.show_costs()
        self.refresh_bindings()
        self._measure(self.dry_run)

    @work(thread=True, group="dry run", exit_on_error=False)
    def _measure(self, dry_run: DryRun) -> None:
        from craft.errors import CraftError
        from craft.launch.dry_run import DryRunStoppedError

        name = dry_run.run.experiment

        def tell(progress: Progress) -> None:
            # Another experiment may be looked at meanwhile.
            self.post_message(DryRunProgressed(replace(progress, message=f"{name}, {progress.message}")))

        try:
            result = dry_run.go(tell)
        except DryRunStoppedError:
            self.post_message(DryRunEnded(name, None, ""))
        except (CraftError, OSError) as error:
            self.post_message(DryRunEnded(name, None, str(error)))
        except BaseException:  # a fault of Craft's own, which is told; another one may be begun
            self.post_message(DryRunEnded(name, None, "it ended in a way that nobody foresaw"))
            raise
        else:
            self.post_message(DryRunEnded(name, result, ""))

    def stop_dry_run(self) -> None:
        """End it at once; nothing of it stays."""
        if self.dry_run is not None:
            self.dry_run.stop()

    def on_unmount(self) -> None:
        self.stop_dry_run()

    @on(DryRunProgressed)
    def _show_progress(self, message: DryRunProgressed) -> None:
        if self.dry_run is not None:
            self.progress = message.progress
            self.show_costs()

    @on(DryRunEnded)
    def _end_dry_run(self, message: DryRunEnded) -> None:
        self.dry_run, self.progress = None, None
        self.dry_run_fault = f"the dry run of {message.name}: {message.fault}" if message.fault else ""
        self.refresh_bindings()
        self.show_costs()
        if message.result is not None:
            self.reader.forget()
            self.app.say(f"{message.name} was measured in {message.result.steps} steps")
            self.weigh_again()
        elif message.fault:
            self.app.say(self.dry_run_fault, "error")
        else:
            self.app.say(f"the dry run of {message.name} was stopped; nothing of it is left")
