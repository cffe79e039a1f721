"""A figure of one's own: validation accuracy over epochs, a line for each neuron and initialiser."""

from sgpipe.extend import figure


@figure("study.curves")
class Curves:
    """Means over seeds."""

    NEEDS = {"table": "results"}

    def select(self, tables, experiment):
        runs = tables["runs"]
        valid = runs[runs["split"] == "valid"]
        by = ["network.neuron", "init.scheme", "epoch"]
        return valid.groupby(by, as_index=False)["accuracy"].mean()

    def draw(self, data, experiment, note):
        from sgpipe.figures import style  # here, since every job reads this file, and few need matplotlib

        figure = style.new_figure(style.SINGLE, 60, note)
        axes = figure.subplots()
        for (neuron, scheme), own in data.groupby(["network.neuron", "init.scheme"]):
            axes.plot(own["epoch"], own["accuracy"], label=f"{neuron}, {scheme}")
        axes.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
        axes.legend()
        return figure
