"""Kept mutants of the Observatory, and of the clocks that its agents live by."""

from __future__ import annotations

from prove.mutant import Mutant

AGENT = "observatory/agents/kuramoto.py"
CHANNEL = "observatory/networking/direct_channel.py"
SHAPES = "observatory/networking/topology.py"
MONITOR = "observatory/monitors/convergence.py"
FIREFLIES = "observatory/experiments/fireflies.py"
COLLECTOR = "observatory/experiments/collector.py"
ASSEMBLING = "observatory/experiments/assembling.py"
PROGRAM = "observatory/experiments/run_fireflies.py"
PLAN = "observatory/experiments/sweep/plan.py"
TERMINAL = "observatory/visualization/terminal.py"
SCREEN = "observatory/visualization/screen.py"
LAYOUT = "observatory/visualization/layout.py"
CLOCK = "cascade/runtime/virtual_time.py"
TURNS = "cascade/runtime/turns.py"
STEPS = "cascade/runtime/trampoline.py"

LIVING = "tests/observatory/agents/test_kuramoto.py"
TALKING = "tests/observatory/networking/test_direct_channel.py"
PLACING = "tests/observatory/networking/test_topology.py"
WATCHING = "tests/observatory/monitors/test_convergence.py"
EXPERIMENT = "tests/observatory/experiments/test_fireflies.py"
RUNNING = "tests/observatory/experiments/test_run_fireflies.py"
SWEEPING = "tests/observatory/experiments/sweep/test_plan.py"
TAKING_OVER = "tests/observatory/visualization/test_terminal.py"
DRAWING = "tests/observatory/visualization/test_screen.py"
FITTING = "tests/observatory/visualization/test_layout.py"
JUMPING = "tests/runtime/test_virtual_time.py"
TAKING_TURNS = "tests/runtime/test_turns.py"

OBSERVATORY_MUTANTS = (
    Mutant(
        "flashes of the refractory phase pile up and count when they are read",
        AGENT,
        '            time = message["time"]',
        "            time = loop.time()",
        LIVING,
    ),
    Mutant(
        "due times are computed from now, and drift by the lateness of every cycle",
        AGENT,
        "    return now if missed else time",
        "    return now",
        LIVING,
    ),
    Mutant(
        "the end of the refractory phase has no tolerance",
        AGENT,
        "if phase >= refractory_period - TOLERANCE and",
        "if phase >= refractory_period and",
        LIVING,
    ),
    Mutant(
        "an agent waits for the inbox of a neighbour",
        AGENT,
        "            channel.send_nowait(payload)",
        "            while channel.qsize() >= 100:\n"
        "                await asyncio.sleep(period)\n"
        "            channel.send_nowait(payload)",
        LIVING,
    ),
    Mutant(
        "a sender waits whatever the overflow",
        CHANNEL,
        'if self._overflow == "wait" and self.qsize() >= self._capacity:',
        "if self.qsize() >= self._capacity:",
        TALKING,
    ),
    Mutant(
        "each wait for a message costs a task",
        CHANNEL,
        "            message = await future\n",
        "            message = await loop.create_task(asyncio.wait_for(future, None))\n",
        TALKING,
    ),
    Mutant(
        "a timer that goes off early: a receiver looks at the clock again, and spins",
        CHANNEL,
        "        if message is _EXPIRED:\n",
        "        if message is _EXPIRED and loop.time() < when:\n"
        "            return await self._receive(None, when)\n"
        "        if message is _EXPIRED:\n",
        f"{TALKING}::test_a_timer_that_goes_off_early_ends_the_wait_all_the_same",
    ),
    Mutant(
        "the collector stops all agents now and then",
        COLLECTOR,
        "    gc.disable()\n",
        "",
        f"{EXPERIMENT}::test_the_collector_rests_meanwhile_and_is_put_back_as_it_was",
    ),
    Mutant(
        "the collector stays off when the experiment is over",
        COLLECTOR,
        "        if enabled:\n            gc.enable()",
        "        pass",
        f"{EXPERIMENT}::test_the_collector_rests_meanwhile_and_is_put_back_as_it_was",
    ),
    Mutant(
        "all phases come from a generator without a seed",
        FIREFLIES,
        "random.Random(config.seed).uniform",
        "random.Random().uniform",
        EXPERIMENT,
    ),
    Mutant(
        "a period is accepted and ignored",
        PROGRAM,
        "            period=period,\n",
        "            period=PERIOD,\n",
        f"{RUNNING}::test_every_number_reaches_the_experiment",
    ),
    Mutant(
        "a number that isn't a square leaves holes in the torus",
        SHAPES,
        "    while count % height:\n        height -= 1\n    return count // height, height",
        "    return -(-count // height), height",
        PLACING,
    ),
    Mutant(
        "the order of few is divided by the number of all",
        MONITOR,
        "float(abs(np.exp(2j * math.pi * phases).mean()))",
        "float(abs(np.exp(2j * math.pi * phases).sum()) / len(self._latest))",
        WATCHING,
    ),
    Mutant(
        "the same seed for all replications",
        PLAN,
        "np.random.SeedSequence(seed, spawn_key=(replication,))",
        "np.random.SeedSequence(seed)",
        SWEEPING,
    ),
    Mutant(
        "the whole frame is sent again",
        SCREEN,
        "        if before is None:\n",
        "        if before is None or True:\n",
        f"{DRAWING}::test_the_terminal_shows_each_picture_and_is_sent_what_has_changed",
    ),
    Mutant(
        "an escape sequence for each cell",
        SCREEN,
        "                if its_paper != paper:\n",
        "                if True:\n",
        f"{DRAWING}::test_however_colours_are_mixed_each_pair_is_selected_once",
    ),
    Mutant(
        "a picture is too large for a small window",
        LAYOUT,
        "        if width > columns or height > 2 * free:",
        "        if width > columns:",
        FITTING,
    ),
    Mutant(
        "codes are written into a pipe",
        ASSEMBLING,
        "    terminal = visible and can_show(sys.stdout, os.environ)",
        "    terminal = bool(visible)",
        f"{RUNNING}::test_no_visualize_prints_no_lines_and_visualize_lines_with_a_bar",
    ),
    Mutant(
        "the cursor stays hidden",
        TERMINAL,
        r'_LEAVE = b"\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"',
        r'_LEAVE = b"\x1b[m\x1b[?7h\x1b[?1049l"',
        f"{TAKING_OVER}::test_left_it_is_as_it_was_and_leaving_again_does_nothing",
    ),
    Mutant(
        "virtual time jumps past a thread that is still at work",
        CLOCK,
        "        if jobs.under_way:\n",
        "        if jobs.under_way and timers.next_due() is None:\n",
        JUMPING,
    ),
    Mutant(
        "virtual time jumps past a socket",
        CLOCK,
        '        *("create_connection", "create_server", "create_datagram_endpoint"),',
        '        *("create_server", "create_datagram_endpoint"),',
        JUMPING,
    ),
    Mutant(
        "virtual time jumps past a subprocess",
        CLOCK,
        '        *("subprocess_exec", "subprocess_shell"),',
        '        *("subprocess_shell",),',
        JUMPING,
    ),
    Mutant(
        "on virtual time a slice of real time makes the order depend on the machine",
        TURNS,
        '        self.virtual: bool = getattr(loop, "virtual", False)',
        "        self.virtual: bool = False",
        TAKING_TURNS,
    ),
    Mutant(
        "a slice never ends, as one on a clock that stands still",
        TURNS,
        "            self.ends_at = monotonic() + SLICE",
        "            self.ends_at = float('inf')",
        TAKING_TURNS,
    ),
    Mutant(
        "steps that never suspend never let others run on virtual time",
        STEPS,
        "            elif turn.virtual or monotonic() > turn.ends_at:",
        "            elif monotonic() > turn.ends_at + 1e9 * turn.virtual:",
        TAKING_TURNS,
    ),
)
