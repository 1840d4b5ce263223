"""What a stage needs and the rates that there are -> the rates that serve it, best first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unprompt.build.planning.rates import Rate, Reference, Setting, Stage
from unprompt.build.planning.work import work_of
from unprompt.index.base.errors import ConfigError

UNSTATED = "unstated"  # kind of a GPU that a source does not name
USUAL = "A100"  # the kind that most is published about: counted with where none is asked for
SCALED_BETWEEN_SUBJECTS = ("embed", "train")  # a GFLOP of one tower stands for one of another


@dataclass(frozen=True)
class Need:
    """One item of a stage."""

    stage: Stage
    subject: str
    work: float | None = None
    unit: str = ""  # of the work
    settings: Mapping[str, Setting] = field(default_factory=dict)
    family: str | None = None  # of a tower
    recipe: str | None = None


@dataclass(frozen=True)
class Choice:
    """A rate and what an item takes by it, on its own device."""

    rate: Rate
    seconds: float
    how: str  # the arithmetic, for people
    exact: bool  # the same thing was timed, nothing was scaled


def choose(
    need: Need, rates: Sequence[Rate], known: Reference, gpu: str | None = None
) -> list[Choice]:
    """Every rate that serves the need, the best first.

    A recipe's own rate comes first, then what was measured here, then what is published: about
    the same thing before another tower, about the usual GPU before others. A kind of GPU that is
    asked for goes before all that.
    """
    found = []
    for place, rate in enumerate(rates):
        choice = _serve(need, rate, known)
        if choice is not None:
            asked = gpu is not None and rate.gpu != gpu
            found.append(((asked, *_rank(need, choice, known), place), choice))
    return [choice for _, choice in sorted(found, key=lambda item: item[0])]


def gpu_kinds(rates: Sequence[Rate]) -> list[str]:
    """The kinds of GPU that the rates speak of, in their order."""
    kinds = dict.fromkeys(rate.gpu for rate in rates if rate.gpu not in (None, UNSTATED))
    return [kind for kind in kinds if kind is not None]


def check_gpu(gpu: str | None, rates: Sequence[Rate]) -> str | None:
    """The kind as the rates spell it; raises ConfigError for one that none speaks of."""
    if gpu is None:
        return None
    kinds = gpu_kinds(rates)
    for kind in kinds:
        if kind.lower() == gpu.strip().lower():
            return kind
    raise ConfigError(
        f"no rate of a GPU {gpu!r}; there are rates of {', '.join(kinds)}. `unprompt bench` "
        "measures your own"
    )


def _serve(need: Need, rate: Rate, known: Reference) -> Choice | None:
    if rate.stage != need.stage or (rate.recipe and rate.recipe != need.recipe):
        return None
    same = rate.subject == need.subject
    if same and rate.measured and dict(rate.settings) == dict(need.settings):
        return Choice(rate, rate.seconds, f"{_seconds(rate.seconds)} as measured", True)
    work = work_of(rate, known)
    if need.work is not None and work is not None:
        if not same and need.stage not in SCALED_BETWEEN_SUBJECTS:
            return None
        seconds = rate.seconds * need.work / work
        if abs(need.work / work - 1) < 1e-6:
            return Choice(rate, seconds, f"{_seconds(rate.seconds)} as stated", True)
        how = f"{_seconds(rate.seconds)} x {need.work:.4g} / {work:.4g} {need.unit}"
        return Choice(rate, seconds, how if same else f"{how} of {rate.subject}", False)
    if same and need.work is None and work is None:
        return Choice(rate, rate.seconds, f"{_seconds(rate.seconds)} as stated", True)
    return None


def _rank(need: Need, choice: Choice, known: Reference) -> tuple[bool, bool, bool, bool, int]:
    """A recipe's own; measured; no CPU by another tower's rate; the usual GPU; nearest subject."""
    rate = choice.rate
    same, cpu = rate.subject == need.subject, rate.gpu is None
    tower = known.towers.get(rate.subject)
    family = rate.settings.get("family") or (tower.family if tower else None)
    near = (0 if choice.exact else 1) if same else 2 if family == need.family else 3
    stretched = cpu and not same
    unusual = not cpu and rate.gpu != USUAL
    return rate.recipe is None, not rate.measured or stretched, stretched, unusual, near


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"
