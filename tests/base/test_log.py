"""Notices go where the error stream goes at that moment, and logging's means silence them."""

import io
import logging
from contextlib import redirect_stderr

import pytest

from sgpipe.base.log import LOG, TERMINAL


@pytest.fixture
def level():
    """The level of the package's logger, put back afterwards."""
    before = LOG.level
    yield LOG.setLevel
    LOG.setLevel(before)


def test_a_notice_is_a_line_on_the_error_stream_of_the_moment(capsys):
    LOG.info("100 % done")
    into = io.StringIO()
    with redirect_stderr(into):
        LOG.warning("in a job")
    assert capsys.readouterr() == ("", "sgpipe: 100 % done\n")
    assert into.getvalue() == "sgpipe: in a job\n"


def test_what_is_for_the_terminal_passes_by_the_log_of_a_job(monkeypatch):
    terminal, into = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.__stderr__", terminal)
    with redirect_stderr(into):
        TERMINAL.warning("12 runs failed")
    assert (terminal.getvalue(), into.getvalue()) == ("sgpipe: 12 runs failed\n", "")


def test_the_level_of_the_package_silences_all(capsys, monkeypatch, level):
    terminal = io.StringIO()
    monkeypatch.setattr("sys.__stderr__", terminal)
    level(logging.ERROR)
    LOG.warning("not shown")
    TERMINAL.warning("not shown")
    assert capsys.readouterr().err == terminal.getvalue() == ""


def test_a_program_that_logs_to_the_error_stream_shows_no_line_twice(capsys):
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    try:
        LOG.warning("once")
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err == "sgpipe: once\n"
