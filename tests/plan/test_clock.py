"""Files from a clock that was ahead."""

import os
import time

from sgpipe.plan.clock import no_later_than_now


def test_files_ahead_of_the_clock_get_the_present_time_and_no_others(tmp_path, capsys):
    now = time.time()
    for name, hours in (("past", -5), ("future", 5)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (now, now + 3600 * hours))
    assert no_later_than_now([tmp_path, tmp_path / "absent"]) == 1
    assert abs((tmp_path / "future").stat().st_mtime - time.time()) < 5
    assert (tmp_path / "past").stat().st_mtime == now - 18000 and (tmp_path / "future").read_text() == "future"
    assert "1 files of results had times ahead" in capsys.readouterr().err
    assert no_later_than_now([tmp_path]) == 0 and not capsys.readouterr().err
