"""Work in processes."""

from __future__ import annotations

import signal

from forecaster.evaluation.parallel import in_processes


def test_a_process_tells_of_its_steps_and_is_deaf_to_ctrl_c():
    """Ctrl-C is for the process that started it: no other prints where it was."""

    def counted(piece, advance):  # in here, so that it is sent whole
        for _ in range(piece):
            advance(1)
        return piece, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    told = []
    assert in_processes(counted, [3, 4], 2, told.append) == [(3, True), (4, True)]
    assert sum(told) == 7
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
