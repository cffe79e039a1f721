"""Tasks: from a data section of a spec to events that a network reads."""

from sgpipe.data.events import Events, Task, load_task, save_task
from sgpipe.data.prepare import prepare, statistics

__all__ = ["Events", "Task", "load_task", "prepare", "save_task", "statistics"]
