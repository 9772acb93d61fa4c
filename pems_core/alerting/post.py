"""Letters on their way to people: mail, Telegram, ntfy, webhooks and whatever else Apprise reaches."""

from collections.abc import Sequence

import apprise

from pems_core.domain import PemsError, Severity

from .letters import Letter

KINDS = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}


class NotSent(PemsError):
    """A letter did not reach somebody.

    :param left: places of the addresses that did not take it.
    """

    def __init__(self, left: Sequence[int]) -> None:
        super().__init__(f"{', '.join(f'address {place + 1}' for place in left)} did not take a letter")
        self.left = left


class Post:
    """Sends a letter to every address; one that does not take it is told it again, the others are not.

    :param addresses: in Apprise's form, such as `ntfys://ntfy.sh/topic`, with secrets in them.
    :raises ValueError: if one is not understood; it is named by its place, for it may hold a password.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._targets: list[apprise.Apprise] = []
        for place, address in enumerate(addresses, 1):
            target = apprise.Apprise()
            if not target.add(address):
                raise ValueError(f"address {place} is not understood; see https://github.com/caronc/apprise/wiki")
            self._targets.append(target)

    def __len__(self) -> int:
        return len(self._targets)

    def send(self, letter: Letter, to: Sequence[int]) -> None:
        """Send to some of the addresses, by place from 0. Takes seconds.

        :raises NotSent: if some did not take it; its `left` says which.
        """
        left = [place for place in to if not self._sent(letter, place)]
        if left:
            raise NotSent(left)

    def _sent(self, letter: Letter, place: int) -> bool:
        return bool(
            self._targets[place].notify(body=letter.body, title=letter.title, notify_type=KINDS[letter.severity])
        )
