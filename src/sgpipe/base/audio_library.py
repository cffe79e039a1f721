"""The library that reads and writes audio files."""

from types import ModuleType

from sgpipe.base.errors import SgpipeError


def audio_library() -> ModuleType:
    """Import soundfile, which takes a tenth of a second that other tasks need not spend.

    Raises SgpipeError if it does not find its C library: wheels for some machines come without it.
    """
    try:
        import soundfile
    except OSError as error:
        raise SgpipeError(
            f"soundfile: {' '.join(str(error).split())}; install the library (Debian: apt install libsndfile1), or "
            "`pip install --force-reinstall soundfile` for a wheel that brings it"
        ) from error
    return soundfile
