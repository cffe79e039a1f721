"""What every table says about its experiment."""

import json

from sgpipe.spec.experiments import Experiment


def table_metadata(experiment: Experiment, **more: object) -> dict[str, str]:
    """Collect the metadata of an experiment's table; `more` is added to it."""
    return {"sgpipe.experiment": json.dumps({**experiment.metadata(), **more}, sort_keys=True)}
