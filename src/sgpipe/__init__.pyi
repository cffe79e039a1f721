"""The types of what `sgpipe.__init__` imports when it is first used."""

from sgpipe.base.errors import SgpipeError as SgpipeError
from sgpipe.base.workflow import snakefile as snakefile
from sgpipe.data.samples import Task as Task
from sgpipe.library.figures import figure as figure
from sgpipe.library.network import Network as Network
from sgpipe.library.network import load as load
from sgpipe.library.runs import make_run as make_run
from sgpipe.library.runs import make_task as make_task
from sgpipe.library.runs import runs as runs
from sgpipe.library.theory import conditions as conditions
from sgpipe.library.train import Trained as Trained
from sgpipe.library.train import train as train
from sgpipe.spec.extensions import use_extensions as use_extensions
from sgpipe.spec.run import RunSpec as RunSpec

__version__: str
__all__: list[str]
