"""Tasks: from the data section of a spec to the samples that a network reads."""

from sgpipe.data.prepare import prepare, statistics
from sgpipe.data.samples import Analog, Events, Task, Words
from sgpipe.data.storage import load_task, save_task

__all__ = ["Analog", "Events", "Task", "Words", "load_task", "prepare", "save_task", "statistics"]
