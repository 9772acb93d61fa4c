"""A part of PEMS that works in a process of its own, answers over a pipe, and can be ended from outside."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from pems_core.domain import PemsError

READY = "ready"
"""First word of a child."""
START_ALLOWANCE_S = 30.0
"""A fresh process has to import its part first, maybe on a busy machine [s of the wall]."""
ENDS = (EOFError, BrokenPipeError, ConnectionResetError)
"""What a pipe raises whose other end is gone."""


class ChildGone(PemsError):
    """A process of PEMS did not start, or died at work; the next question starts a new one."""


class Child:
    """Asks a child process, and starts another when it is gone. Only one question is open at a time."""

    def __init__(self, module: str, what: str) -> None:
        """Start it, so that it gets ready while there is nothing to ask yet.

        :param module: calls `serve` when it is run.
        :param what: names it in errors.
        """
        self._module, self._what = module, what
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._ready = False
        self._start()

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        return self._process

    def ready(self) -> None:
        """Wait until it can answer.

        :raises ChildGone: if it does not start.
        """
        self._running()

    def ask(self, question: tuple[Any, ...], within_s: float) -> Any:
        """What it answers.

        :raises TimeoutError: if it does not in that time [s of the wall]; it is ended.
        :raises ChildGone: if it dies, or does not start.
        """
        pipe = self._running()
        try:
            pipe.send(question)
            if pipe.poll(within_s):
                return pipe.recv()
        except ENDS as error:
            self.close()
            raise ChildGone(f"{self._what} died at work; the next plan starts a new one") from error
        self.close()
        raise TimeoutError(f"{self._what} did not answer within {within_s:g} s; it was ended")

    def close(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        self._ready = False

    def _start(self) -> Connection:
        # A program of its own rather than multiprocessing: that would import the caller's main module again.
        ours, theirs = Pipe()
        run = [sys.executable, "-m", self._module, str(theirs.fileno())]
        self._process = subprocess.Popen(run, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._pipe = ours
        return ours

    def _running(self) -> Connection:
        """The pipe to a child that is ready."""
        pipe = self._pipe
        if self._process is None or self._process.poll() is not None or pipe is None:
            self.close()
            pipe = self._start()
        if not self._ready:
            try:
                self._ready = pipe.poll(START_ALLOWANCE_S) and pipe.recv() == READY
            except ENDS:
                self._ready = False
            if not self._ready:
                self.close()
                raise ChildGone(f"{self._what} did not start within {START_ALLOWANCE_S:g} s")
        return pipe


def serve(number: int, answer: Callable[..., object]) -> None:
    """In the child: answer until the parent is gone.

    :param number: of the inherited pipe.
    """
    pipe = Connection(number)
    with suppress(*ENDS, KeyboardInterrupt):
        pipe.send(READY)
        while True:
            pipe.send(answer(*pipe.recv()))
