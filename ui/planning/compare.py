"""A plan -> what settings save against a recipe's own, and GPU-days on every kind of GPU."""

from collections.abc import Iterator

from unprompt.build.planning.plan import Plan, PlanLine, Work
from unprompt.ui.planning.figures import show_days, show_time


def savings(plan: Plan) -> Iterator[str]:
    """What our rendering settings save against a recipe's own, like with like first."""
    for work in plan.works:
        theirs = _of_recipe(work, plan.request.recipe)
        if work.counted.stage != "render" or len(theirs) < 2:
            continue
        own, ours = theirs[0], theirs[1]
        if own.choice is None or ours.choice is None:
            continue
        once = "the steps' share shrinks with their number, text encoder and VAE do not"
        yield (
            f"{ours.label}, instead of {own.label.removeprefix('render, ')}, in their pipeline: "
            f"{show_time(own.choice.seconds)} -> {show_time(ours.choice.seconds)} an image, "
            f"{show_days(own.gpu_days)} -> {show_days(ours.gpu_days)} GPU-days, "
            f"{1 - ours.seconds / own.seconds:.0%} less; {once}"
        )
        yield (
            "the other lines are of other GPUs, batches and versions: what to expect there, not "
            "what settings alone save"
        )


def _of_recipe(work: Work, recipe: str | None) -> list[PlanLine]:
    """The lines by the recipe's own rate, its own settings first."""
    lines = [
        line
        for line in (work.counted, *work.others)
        if recipe is not None and line.choice is not None and line.choice.rate.recipe == recipe
    ]
    return sorted(lines, key=lambda line: not (line.choice and line.choice.exact))


def days_by_kind(plan: Plan) -> dict[str, dict[str, float]]:
    """GPU-days by stage and kind of GPU; a kind without a rate for all of a stage is left out."""
    found: dict[str, dict[str, float]] = {}
    for stage in ("render", "train", "embed"):
        works = [work for work in plan.works if work.counted.stage == stage]
        best: list[dict[str, float]] = []
        for work in works:
            days: dict[str, float] = {}
            for line in (work.counted, *work.others):
                if line.gpu and not (line.choice and line.choice.rate.recipe):
                    days.setdefault(line.gpu, line.gpu_days)
            best.append(days)
        if best:
            shared = set(best[0]).intersection(*best[1:])
            found[stage] = {k: sum(days[k] for days in best) for k in best[0] if k in shared}
    return {stage: days for stage, days in found.items() if days}
