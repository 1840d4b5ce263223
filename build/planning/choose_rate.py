"""One item of a stage and all known rates -> the rates that apply to it, best first."""

from dataclasses import dataclass

from unprompt.build.planning.rates import Costs, Rate
from unprompt.build.planning.work import Item

USUAL_GPU = "A100"  # the kind of most published rates
SCALED_BETWEEN_SUBJECTS = ("embed", "train")  # a GFLOP of one tower stands for one of another


@dataclass(frozen=True)
class ScaledRate:
    """A rate, scaled to an item."""

    rate: Rate
    seconds: float  # per item, on the device of the rate
    arithmetic: str  # how `seconds` follows from the rate, as text
    exact: bool  # the rate is of the same item: nothing is scaled


def choose_rates(item: Item, costs: Costs, gpu: str | None = None) -> list[ScaledRate]:
    """All rates that apply to an item, best first.

    Rates of the GPU kind `gpu` come first. Then the order is: rates that the item's recipe states,
    rates measured by `unprompt bench`, published rates. Among published rates the usual GPU comes
    before other GPUs, and a rate of the same subject before one of another tower.
    """
    scaled = [found for rate in costs.rates if (found := _scale(item, rate, costs)) is not None]

    def sort_key(found: ScaledRate) -> tuple[int, ...]:
        return gpu is not None and found.rate.gpu != gpu, *_rank(item, found, costs)

    return sorted(scaled, key=sort_key)


def _scale(item: Item, rate: Rate, costs: Costs) -> ScaledRate | None:
    """The rate for one item; None where it does not apply."""
    if rate.stage != item.stage or (rate.recipe and rate.recipe != item.recipe):
        return None
    if item.recipe_only and not rate.recipe:
        return None
    same, stated = rate.subject == item.subject, _show_seconds(rate.seconds)
    if same and rate.measured and dict(rate.settings) == dict(item.settings):
        return ScaledRate(rate, rate.seconds, f"{stated} as measured", True)
    work = costs.work_per_item(rate)
    if same and item.work is None and work is None:
        return ScaledRate(rate, rate.seconds, f"{stated} as stated", True)
    scales = same or item.stage in SCALED_BETWEEN_SUBJECTS
    if item.work is None or work is None or not scales:
        return None
    seconds = rate.seconds * item.work / work
    if abs(item.work / work - 1) < 1e-6:
        return ScaledRate(rate, seconds, f"{stated} as stated", True)
    of_another = "" if same else f" of {rate.subject}"
    arithmetic = f"{stated} x {item.work:.4g} / {work:.4g} {item.unit}{of_another}"
    return ScaledRate(rate, seconds, arithmetic, False)


def _rank(item: Item, found: ScaledRate, costs: Costs) -> tuple[int, ...]:
    """Sort key of a rate; a CPU rate of another tower comes last."""
    rate = found.rate
    same, on_cpu = rate.subject == item.subject, rate.gpu is None
    tower = costs.towers.get(rate.subject)
    family = rate.settings.get("family") or (tower.family if tower else None)
    distance = (0 if found.exact else 1) if same else 2 if family == item.family else 3
    cpu_of_another, other_gpu = on_cpu and not same, not on_cpu and rate.gpu != USUAL_GPU
    measured = rate.measured and not cpu_of_another
    return rate.recipe is None, not measured, cpu_of_another, other_gpu, distance


def _show_seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"
