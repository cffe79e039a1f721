"""An initialiser of one's own: most weights are 0, the others have the variance that keeps the sum's."""

from dataclasses import dataclass

from sgpipe.extend import initialiser, knob, uniform


@initialiser("sparse")
@dataclass(frozen=True)
class Sparse:
    """Weights uniform around 0 with variance 1 / (density x units in), each there with probability `density`."""

    density: float = knob(0.3, "share of the weights that are not 0", above=0, most=1)

    def draw(self, shape, generator, weights):
        bound = (3 / (self.density * shape[1])) ** 0.5
        return uniform(generator, -bound, bound, shape) * (generator.random(shape) < self.density)
