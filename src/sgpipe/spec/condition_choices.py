"""Which conditions a run asks for: the choices, which knobs then matter, and which networks cannot have them."""

from itertools import combinations

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.surrogates import SURROGATES

CONDITIONS = ("I", "II", "III", "IV")
# Every combination of conditions: none, I, ..., III+IV, ..., I+II+III+IV.
CHOICES = ("none", *("+".join(some) for count in range(1, 5) for some in combinations(CONDITIONS, count)))
HALF = 0.5  # the rate of condition I
THEORY_NEURONS = ("delta_lif", "alif")  # the neurons of eq. 1


def idle_conditions(spec, where: str) -> list[str]:
    """List the knobs of a run's `init` section that its choice of conditions leaves without effect.

    Args:
        spec: The run.
        where: Names the run in the error message.

    Raises:
        SgpipeError: The network cannot be asked to meet the conditions.
    """
    init, chosen = spec.init, set(spec.conditions)
    if not chosen:
        return ["method", "readings", "extrema", "infeasible", "rate", "free"]
    _check(spec, where)
    theory, idle = init.method == "theory", []
    drawn = {"IV"} if theory and init.readings == "authors" else set()  # its sharpness is drawn, whatever the weights
    solved = chosen - {"I"} - drawn
    if not theory:
        idle.append("readings")
    if not theory or not solved & {"III", "IV"}:
        idle.append("extrema")
    if theory and not solved:
        idle.append("infeasible")
    if theory or "I" not in chosen or init.rate == HALF:  # a table of runs without it does not have the knob
        idle.append("rate")
    if "IV" not in chosen - drawn:
        idle.append("free")
    elif init.free == "tail" and not SURROGATES[spec.surrogate.name].tails:
        raise SgpipeError(
            f"{where}: init.free: {spec.surrogate.shape} has no tail; set surrogate.shape: q_pseudospike, or "
            "init.free: sharpness"
        )
    return idle


def state_is_drawn(spec) -> bool:
    """Tell whether the initial state of a run depends on the seed of its weights.

    Equations about the distribution of the weights do not depend on the drawn weights, unless the input is an
    embedding, which is itself drawn.
    """
    init = spec.init
    by_draws = init.extrema == "sample" or init.readings == "authors" or (spec.words and spec.network.embedding)
    return init.method != "theory" or bool(by_draws)


def _check(spec, where: str) -> None:
    network, shape, asked = spec.network, SURROGATES[spec.surrogate.name], spec.init.conditions
    theory = spec.init.method == "theory"
    if not network.hidden:
        raise SgpipeError(f"{where}: init.conditions: {asked} needs a hidden layer; set none")
    for own in spec.own:
        raise SgpipeError(f"{where}: init.conditions: {asked} is not for {own.OWN.words} of an extension; set none")
    if network.neuron == "relu":
        raise SgpipeError(f"{where}: init.conditions: {asked} is about neurons that spike, not relu; set none")
    if theory and network.neuron not in THEORY_NEURONS:
        raise SgpipeError(
            f"{where}: init.method: theory is about {' and '.join(THEORY_NEURONS)}, not {network.neuron}; set "
            "init.method: calibrated"
        )
    if theory and (not network.recurrent or min(network.hidden) < 2):
        raise SgpipeError(
            f"{where}: init.method: theory is about recurrent layers of 2 units or more; set network.recurrent: true, "
            "or init.method: calibrated"
        )
    stretched = theory or "IV" in spec.conditions
    if stretched and shape.formula and spec.surrogate.slope != "sharpness":
        raise SgpipeError(
            f"{where}: init.conditions: {asked} needs a formula with a sharpness; set surrogate.slope: sharpness"
        )
    if stretched and shape.slope != "sharpness":
        known = ", ".join(name for name, one in SURROGATES.items() if one.slope == "sharpness")
        raise SgpipeError(
            f"{where}: init.conditions: {asked} needs a shape with a sharpness, not {shape.name}; set surrogate.shape "
            f"to one of {known}"
        )
    if "III" in spec.conditions and not shape.dampens:
        raise SgpipeError(
            f"{where}: init.conditions: {asked} needs a shape with a dampening, not {shape.name}; set another "
            "surrogate.shape"
        )
