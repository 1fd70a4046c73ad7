"""Between the text and its file: saving, drafts, and what to do when another program wrote the file."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from textwrap import wrap
from typing import TYPE_CHECKING

from craft.errors import CraftError
from craft.text import clean_line
from workbench.paths import fault_of_place, is_taken, typed_path
from workbench.screens.experiments.editing.buffer import ChangedOnDiskError, changed_lines
from workbench.screens.experiments.editing.drafts import Draft, drop
from workbench.screens.experiments.editing.form_typing import KEPT_AS
from workbench.screens.experiments.editing.notice import Decision, Notice, NoticeBar

if TYPE_CHECKING:
    from workbench.screens.experiments.editing.panel import EditPanel

DRAFT_EVERY = 0.4
"""Seconds between two looks whether what was typed is on disk."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether another program wrote the file."""


class FileCare:
    """Keeps the drafts of a panel's buffer, watches its file, and asks what to do where that is a person's to say."""

    def __init__(self, panel: EditPanel) -> None:
        self.panel, self.buffer = panel, panel.buffer
        self._drafts: list[Draft] = []
        self._typed: list[str] = []  # fields of the form that were typed into when the program ended
        self._changed = False
        self._working = False
        self._refused = ""  # why what another program wrote cannot be taken

    def start(self) -> None:
        """Begin to look, each time in a thread."""
        self.panel.set_interval(DRAFT_EVERY, self._keep_draft)
        self.panel.set_interval(LOOK_EVERY, self._look)
        self._in_thread(self.buffer.drafts, self._take_drafts)
        self.panel.toml.read_only = bool(self.buffer.fault)
        places = self.panel.app.session.unfinished_places(KEPT_AS)
        self._typed = [where for where in places if _is_place(_place_of(where))]
        self._tell()

    def _in_thread(self, work: Callable[[], object], then: Callable[..., None]) -> None:
        """Do something that touches the disk, and then what follows on the event loop."""
        panel = self.panel

        def do() -> None:
            try:
                result = work()
            except CraftError as error:
                result = error
            if panel.is_attached and panel.app.is_running:
                panel.app.call_from_thread(then, result)

        panel.run_worker(do, thread=True, group="editor file", exit_on_error=False)

    # --- drafts ---

    def _keep_draft(self) -> None:
        if self.buffer.draft_due and not self._working:
            self._working = True
            self._in_thread(self.buffer.keep_draft, self._draft_kept)

    def _draft_kept(self, _: object) -> None:
        self._working = False
        self._tell()

    def _take_drafts(self, drafts: object) -> None:
        assert isinstance(drafts, list)
        self._drafts = drafts
        self._tell()

    def _restore(self, draft: Draft) -> None:
        self._drafts = [one for one in self._drafts if one is not draft]
        if self.buffer.take(draft):
            self.panel.apply(draft.text, "draft")
            self.panel.app.say("the draft is here again; it is not saved yet, and ctrl+z takes it back")
        else:
            self.panel.app.say("another workbench took this draft meanwhile", "warning")
        self._tell()

    def _drop(self, draft: Draft) -> None:
        self._drafts = [one for one in self._drafts if one is not draft]
        drop(draft)
        self._tell()

    # --- fields of the form ---

    def _still_typed(self) -> list[str]:
        """Fields that were typed into when the program ended, and neither taken nor left since."""
        left = self.panel.app.session.unfinished_places(KEPT_AS)
        return [where for where in self._typed if where in left]

    def _words_of(self, where: str) -> str:
        """What was typed there, on one line."""
        place = _place_of(where)
        whose, path = ("the defaults", place[1:]) if place[0] == "defaults" else (" ".join(place[:2]), place[2:])
        typed = " ".join(self.panel.app.session.unfinished(where))
        return clean_line(f"{'.'.join(path)} of {whose}: {typed}")

    def _offer_typed(self, where: str) -> Notice:
        return Notice(
            f"left half typed: {self._words_of(where)}",
            (
                Decision("go there", "open the field with what was typed", lambda: self._open_typed(where)),
                Decision("drop it", "for good", lambda: self._drop_typed(where)),
            ),
        )

    def _open_typed(self, where: str) -> None:
        self._typed.remove(where)
        self.panel.open_field(_place_of(where))
        self._tell()

    def offer_again(self, place: tuple[str, ...]) -> None:
        """A field that was to be opened is not there now: say so, and go on to offer what was typed into it, last."""
        where = KEPT_AS + " ".join(place)
        if self.panel.app.session.unfinished(where):
            self._typed.append(where)
            self.panel.app.say(f"{self._words_of(where)} has no place now", "warning")
            self._tell()

    def _drop_typed(self, where: str) -> None:
        self.panel.app.session.keep_unfinished(where, [])
        self._tell()

    # --- the file ---

    def _look(self) -> None:
        if self._typed != self._still_typed():
            self._tell()
        if self.buffer.fault:
            if self.buffer.touched:
                self._in_thread(self.buffer.read_again, self._read_again)
        elif self._changed or self.buffer.touched:
            self._in_thread(self.buffer.changed_on_disk, self._looked)

    def _looked(self, changed: object) -> None:
        assert isinstance(changed, bool)
        if changed and not self.buffer.dirty and self.buffer.path.exists():
            self._take_disk(said=f"{self.buffer.path.name} was changed by another program: here is what it wrote")
        elif changed != self._changed:
            self._changed = changed
            self._tell()

    def _read_again(self, _: object) -> None:
        self.panel.toml.read_only = bool(self.buffer.fault)
        if not self.buffer.fault:
            self.panel.apply(self.buffer.saved_text, "reload")
            self.panel.toml.history.clear()  # what was shown before was never in the file
            name = self.buffer.path.name
            if self.buffer.exists:
                self.panel.app.say(f"{name} can be read now: here it is")
            else:
                self.panel.app.say(f"{name} was removed by another program", "warning")
        self._tell()

    def _take_disk(self, said: str) -> None:
        before, self._refused = self._refused, self.buffer.take_disk()
        self._changed = bool(self._refused)
        if not self._refused:
            self.panel.apply(self.buffer.saved_text, "reload")
            self.panel.app.say(said)
        elif self._refused != before:  # it is looked at again and again
            self.panel.app.say(f"{self._refused}; what is here stays", "error")
        self._tell()

    def stepped(self, before: str) -> None:
        """Undo or redo made the text another than `before`: say so where that took back what another program wrote."""
        if self.buffer.went_back(before):
            number = len(changed_lines(before, self.buffer.text))
            what = f"what another program wrote into {self.buffer.path.name}, {number} line{'s' * (number != 1)}"
            self.panel.app.say(f"this took back {what}: ctrl+y brings it again, and saving asks", "warning")
            self._changed = True
            self._tell()

    # --- saving ---

    def save(self, *, force: bool = False) -> None:
        """Put the text into the file, or say why not, or ask."""
        if self.buffer.fault and not self.buffer.dirty:
            self.panel.app.say(self.buffer.fault, "error")
            return
        self._in_thread(lambda: self.buffer.save(force=force), self._saved)

    def _saved(self, error: object) -> None:
        if isinstance(error, ChangedOnDiskError):
            self._changed = True
            self._tell()
            self.ask(self._if_changed("not saved: "))
        elif isinstance(error, CraftError):
            self.panel.app.say(str(error), "error")
        else:
            self._changed = False
            self.panel.app.say(f"{self.buffer.path.name} saved")
            self.panel.post_message(self.panel.Saved())
            self._tell()
        self.panel.refresh_bindings()

    def _save_elsewhere(self) -> None:
        from workbench.dialogs.prompt import PromptScreen

        path = self.buffer.path
        proposal = path.with_name(f"{path.stem}-mine{path.suffix}")

        def check(typed: str) -> str:
            return "there is such a file already" if is_taken(typed_path(typed)) else fault_of_place(typed)

        def done(error: object) -> None:
            self.panel.app.say(str(error) if error else "saved", "error" if error else "information")

        def save(typed: str | None) -> None:
            if typed:
                self._in_thread(lambda: self.buffer.save_as(typed_path(typed)), done)

        self.panel.app.push_screen(PromptScreen("Save what is here as", value=str(proposal), check=check), save)

    def _explain_fault(self) -> None:
        from workbench.dialogs.text_dialog import TextScreen

        path, encoding = self.buffer.path, self.buffer.encoding_of_disk() or "UTF-8"
        folder, name, kept = map(shlex.quote, (str(path.absolute().parent), path.name, f"{path.name}.before"))
        before = (
            f"{self.buffer.fault}. TOML is UTF-8, and this is probably {encoding}. Nothing here writes the file: it "
            "stays as it is, to the byte, and what cannot be read is only shown as a mark. In a shell, this makes "
            "UTF-8 of it and keeps the old one beside it:"
        )
        after = "It is taken here as soon as it can be read. If letters look wrong then, try another encoding after -f."
        width = min(max(self.panel.app.size.width - 10, 20), 90)
        commands = [f"  cd {folder}", f"  cp {name} {kept}", f"  iconv -f {encoding} -t UTF-8 {kept} > {name}"]
        words = "\n".join((*wrap(before, width), "", *commands, "", *wrap(after, width)))
        self.panel.app.push_screen(TextScreen(f"{path.name} is not UTF-8", words, "what to do"))

    # --- what is to be decided ---

    def _tell(self) -> None:
        """Show the notice that matters most now, or none."""
        self._typed = self._still_typed()
        self.panel.query_one(NoticeBar).show(self._notice())
        self.panel.refresh_bindings()

    def _notice(self) -> Notice | None:
        buffer = self.buffer
        if buffer.fault:
            how = Decision("what to do", "how it can be edited", self._explain_fault)
            said = f"{buffer.fault}; it can be looked at and not edited here"
            return Notice(said, (how,) if "UTF-8" in buffer.fault else (), is_fault=True)
        if self._changed:
            return self._if_changed()
        if self._drafts:
            return self._offer(self._drafts[0])
        if self._typed:
            return self._offer_typed(self._typed[0])
        if buffer.draft_fault:
            said = f"no draft can be kept of what is typed: {buffer.draft_fault}; it is tried again all the time"
            return Notice(said, is_fault=True)
        return None

    def _if_changed(self, lead: str = "") -> Notice:
        """The file is another."""
        what = "changed" if self.buffer.path.exists() else "removed"
        return Notice(
            f"{lead}{self.buffer.path.name} was {what} by another program",
            (
                Decision("reload", "what is on disk; what was typed stays in the undo history", self.reload),
                Decision("overwrite", "save what was typed over it", lambda: self.save(force=True)),
                Decision("difference", "see what differs", self._show_difference),
                Decision("save elsewhere", "under another name", self._save_elsewhere),
            ),
        )

    def _offer(self, draft: Draft) -> Notice:
        number = len(changed_lines(self.buffer.saved_text, draft.text))
        when = time.strftime("%d %b %H:%M", time.localtime(draft.written))
        since = "" if self.buffer.is_current(draft) else "; the file changed since"
        return Notice(
            f"unsaved draft of {when}, {number} line{'s' * (number != 1)}{since}",
            (
                Decision("take it", "put the draft in place of the text, not saved yet", lambda: self._restore(draft)),
                Decision("drop it", "for good", lambda: self._drop(draft)),
                Decision("difference", "see what differs", lambda: self._show_draft(draft)),
            ),
        )

    def ask(self, notice: Notice | None = None) -> None:
        """Ask what is to be decided as a list of choices."""
        from workbench.dialogs.choose import Choice, ChooseScreen

        notice = notice or self._notice()
        if notice is None or not notice.choices:
            return

        def do(chosen: Decision | None) -> None:
            if chosen is not None:
                chosen.do()

        choices = [Choice(one, one.name, one.about) for one in notice.choices]
        self.panel.app.push_screen(ChooseScreen(notice.text, choices), do)

    def reload(self) -> None:
        """Take what is on disk for the text, as a step that undo takes back."""
        self._refused = ""
        if self.buffer.path.exists():
            self._take_disk("here is what the file holds; ctrl+z brings back what was typed")
        else:
            self.panel.app.say("there is no file any more; saving writes it again", "warning")

    def _show_difference(self) -> None:
        from workbench.screens.experiments.editing.difference import DifferenceScreen

        names = ("on disk", "typed here")
        self.panel.app.push_screen(DifferenceScreen(self.buffer.disk_text(), self.buffer.text, names=names))

    def _show_draft(self, draft: Draft) -> None:
        from workbench.screens.experiments.editing.difference import DifferenceScreen

        names = ("the file", "the draft")
        self.panel.app.push_screen(DifferenceScreen(self.buffer.text, draft.text, names=names))


def _place_of(where: str) -> tuple[str, ...]:
    """The path of a setting, with its table's, that the session keeps something half typed of."""
    return tuple(where.removeprefix(KEPT_AS).split(" "))


def _is_place(place: tuple[str, ...]) -> bool:
    return len(place) > (1 if place[0] == "defaults" else 2)
