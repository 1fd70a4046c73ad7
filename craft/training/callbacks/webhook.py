"""A message to another machine when a run ends."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from craft.config.schema.callbacks import WebhookConfig
from craft.errors import TrainingError
from craft.training.callbacks.outcome import Notifier
from craft.training.recorder import Recorder


class Webhook(Notifier):
    """Posts JSON, whose `text` is what Slack and Mattermost show. Of the address only the host is told to anybody."""

    def __init__(self, config: WebhookConfig) -> None:
        super().__init__(config)
        self.config = config

    def tell(self, told: dict[str, Any], recorder: Recorder) -> None:
        """Post, and wait no longer than `timeout`. Raises TrainingError when it was not taken."""
        url = _address(self.config.url)
        host = urllib.parse.urlsplit(url).hostname
        body = json.dumps(told).encode()
        faults: list[str] = []
        # A name may resolve, and an answer trickle, for longer than urllib's own limit, which is one a call.
        thread = threading.Thread(target=self._post, args=(url, body, faults), daemon=True)
        thread.start()
        thread.join(self.config.timeout)
        if thread.is_alive():
            raise TrainingError(f"{host} has not answered within {self.config.timeout:g} s")
        if faults:
            raise TrainingError(f"{host} has not taken the message: {faults[0]}")
        recorder.say(f"{host} was told: {told['phase']}")

    def _post(self, url: str, body: bytes, faults: list[str]) -> None:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "craft"})
        try:
            with urllib.request.urlopen(request, timeout=self.config.timeout):
                pass
        except urllib.error.HTTPError as answer:
            faults.append(f"it answered {answer.code} {answer.reason}")
            answer.close()
        except (OSError, ValueError) as error:
            faults.append(str(getattr(error, "reason", error)))


def _address(url: str) -> str:
    """The address, from the environment where `url` is `$NAME`."""
    if not url.startswith("$"):
        return url
    found = os.environ.get(url[1:], "")
    if not found.startswith(("http://", "https://")):
        raise TrainingError(f"the environment variable {url[1:]} holds no https:// address where this run trains")
    return found
