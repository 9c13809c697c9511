"""The kept mutants of what lets programs be seen and steered from outside."""

from __future__ import annotations

from prove.mutant import Mutant

BOOK = "cascade/control/rule_book.py"
DESK = "cascade/control/desk.py"
LIMITS = "cascade/control/limits.py"
OVERSIGHT = "cascade/runtime/oversight.py"
PLACE = "cascade/control/place.py"
SERVER = "cascade/control/server.py"

ASKING = "tests/control/test_desk.py"
COMING = "tests/control/test_local.py"
SENDING = "tests/control/test_server.py"
STRANGERS = f"{SENDING}::TestAnotherUser"
CANCELLING = f"{ASKING}::TestCancelling"
LIMITING = f"{ASKING}::TestLimits"
RULING = f"{ASKING}::TestRules"


CONTROL_MUTANTS = (
    Mutant(
        "any user who gets at the socket may steer",
        SERVER,
        "if peer is None or peer[1] not in (0, os.geteuid()):",
        "if peer is None:",
        STRANGERS,
    ),
    Mutant(
        "sockets lie in a directory that others can enter",
        PLACE,
        "if found.st_mode & 0o077:",
        "if found.st_mode & 0o007 == 0o007:",
        f"{SENDING}::TestTheSocket",
    ),
    Mutant(
        "a message may be of any size",
        SERVER,
        "if len(line) > LARGEST:",
        "if len(line) > LARGEST**2:",
        f"{SENDING}::TestTooLarge",
    ),
    Mutant(
        "whoever asks and doesn't read fills the program's memory",
        SERVER,
        "        self._full = True\n",
        "        self._full = False\n",
        f"{SENDING}::TestManyQuestions",
    ),
    Mutant(
        "a rule forgets the managers that come later",
        DESK,
        "        self._book.oversee(constraints, self._loop.time())\n",
        "",
        RULING,
    ),
    Mutant(
        "a rule ends with the run in which it was set",
        DESK,
        "        self._book.take_over(closed._book)\n",
        "",
        COMING,
    ),
    Mutant(
        "a limit for a time is put back to another one for a time",
        LIMITS,
        "            if earlier.now == before:",
        "            if earlier.now is before:",
        LIMITING,
    ),
    Mutant(
        "a limit whose time is up stays",
        LIMITS,
        "                timed.before.set(manager, name)",
        "                timed.now.set(manager, name)",
        LIMITING,
    ),
    Mutant(
        "what the program has set itself is overwritten when a time is up",
        LIMITS,
        "        if now != timed.now:",
        "        if now is None:",
        LIMITING,
    ),
    Mutant(
        "whoever awaits a cancelled run is cancelled as well",
        OVERSIGHT,
        "            for _ in range(place.times):\n                task.uncancel()\n",
        "",
        CANCELLING,
    ),
    Mutant(
        "a cancellation of one's own is taken for one from outside",
        OVERSIGHT,
        "if place.reason is not None and task.cancelling() - place.times <= place.before:",
        "if place.reason is not None:",
        CANCELLING,
    ),
    Mutant(
        "a rule is set in some managers and refused by others",
        BOOK,
        "check_steering(constraints.manager)\n        undo = ",
        "pass\n        undo = ",
        LIMITING,
    ),
)
