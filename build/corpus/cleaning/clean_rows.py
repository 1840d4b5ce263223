"""Rows (prompt, source, perhaps nsfw) and rules -> kept, rewritten rows; counts and examples.

The rewriting rules are applied until a prompt no longer changes. Then the dropping rules apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.cleaning.rules import Drop, Rewrite, dropping_rules, rewriting_rules
from unprompt.index.captions.normalize import normalize

ROUNDS = 4  # of all rewriting rules; nearly every prompt needs two at most
EXAMPLES_EACH = 20
BLANK, REWRITTEN = "blank", "rewritten"  # keys of the counts, like `rewrite.RULE`, `drop.RULE`
EXAMPLES = pl.Schema(
    {
        "rule": pl.String,
        "kind": pl.String,  # rewrite | drop
        "prompt": pl.String,  # before the rule
        "result": pl.String,  # after the rule; null if dropped
    }
)


@dataclass(frozen=True)
class Cleaned:
    """The kept rows, the number of rows that each rule changed or dropped, and examples."""

    table: pl.DataFrame  # prompt, source
    counts: dict[str, int]
    examples: pl.DataFrame  # EXAMPLES


class Cleaner:
    """The rules that a CleanConfig switches on."""

    def __init__(self, config: CleanConfig):
        self._rewrites = rewriting_rules(config)
        self._drops = dropping_rules(config)

    def __call__(self, table: pl.DataFrame) -> Cleaned:
        """Clean one table; a prompt that becomes empty counts as blank."""
        table = table.with_columns(normalize(table["prompt"].fill_null("")).alias("prompt"))
        counts = {f"rewrite.{rule.name}": 0 for rule in self._rewrites}
        counts |= {f"drop.{rule.name}": 0 for rule in self._drops}
        examples = [pl.DataFrame(schema=EXAMPLES)]
        prompts = self._rewrite(table["prompt"], counts, examples)
        counts[REWRITTEN] = int((prompts != table["prompt"]).sum())
        table = table.with_columns(prompts)
        seen = table.filter(pl.col("prompt") != "")
        counts[BLANK] = table.height - seen.height
        kept = self._drop(seen, counts, examples)
        return Cleaned(kept.select("prompt", "source"), counts, pl.concat(examples))

    def _rewrite(
        self, prompts: pl.Series, counts: dict[str, int], examples: list[pl.DataFrame]
    ) -> pl.Series:
        rows = pl.int_range(prompts.len(), dtype=pl.UInt32, eager=True)
        for _ in range(ROUNDS):
            before = prompts.gather(rows)
            after = before
            for rule in self._rewrites:
                after = _apply(rule, after, counts, examples)
            changed = after != before
            prompts = _with_values(prompts, rows.filter(changed), after.filter(changed))
            rows = rows.filter(changed)
            if rows.is_empty():
                break
        return prompts

    def _drop(
        self, table: pl.DataFrame, counts: dict[str, int], examples: list[pl.DataFrame]
    ) -> pl.DataFrame:
        for rule in self._drops:
            if rule.column not in table.columns:
                continue
            fails = rule.fails(table[rule.column])
            dropped = table.filter(fails)["prompt"]
            counts[f"drop.{rule.name}"] = dropped.len()
            examples.append(_examples(rule, dropped, None))
            table = table.filter(~fails)
        return table


def spread(table: pl.DataFrame, n: int) -> pl.DataFrame:
    """At most n rows, evenly spaced over the table."""
    if table.height <= n:
        return table
    return table[[place * table.height // n for place in range(n)]]


def _apply(
    rule: Rewrite, prompts: pl.Series, counts: dict[str, int], examples: list[pl.DataFrame]
) -> pl.Series:
    rows = rule.concerns(prompts).arg_true()
    before = prompts.gather(rows)
    after = rule.rewrite(before)
    changed = before != after
    rows, before = rows.filter(changed), before.filter(changed)
    after = _tidy(after.filter(changed))
    counts[f"rewrite.{rule.name}"] += rows.len()
    examples.append(_examples(rule, before, after))
    return _with_values(prompts, rows, after)


def _with_values(prompts: pl.Series, rows: pl.Series, values: pl.Series) -> pl.Series:
    """A copy with `values` in `rows`, because `scatter` changes the series in place."""
    return prompts.clone().scatter(rows, values)


def _tidy(prompts: pl.Series) -> pl.Series:
    """Remove what a rule leaves behind: extra spaces, commas without a phrase between them."""
    joined = (
        prompts.str.replace_all(r"\s+", " ")
        .str.replace_all(r" ([,;.!?])", "$1")
        .str.replace_all(r"(?:[,;]\s*){2,}", ", ")
        .str.replace_all(r"[,;\s]+([\x22\x{201D}])$", "$1")
        .str.replace_all(r"^[\s,;]+|[\s,;]+$", "")
    )
    return normalize(joined)


def _examples(rule: Rewrite | Drop, before: pl.Series, after: pl.Series | None) -> pl.DataFrame:
    kind = "drop" if after is None else "rewrite"
    result = pl.lit(None, pl.String) if after is None else after.alias("result")
    table = before.alias("prompt").to_frame().select(
        pl.lit(rule.name).alias("rule"), pl.lit(kind).alias("kind"), "prompt",
        result.alias("result"),
    )  # fmt: skip
    return spread(table, EXAMPLES_EACH)


def merge_examples(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """At most `EXAMPLES_EACH` examples per rule, evenly from all parts; rules sorted by name."""
    whole = pl.concat([pl.DataFrame(schema=EXAMPLES), *parts])
    rules = whole.select("kind", "rule").unique().sort("kind", "rule", descending=[True, False])
    chosen = [
        spread(whole.filter((pl.col("kind") == kind) & (pl.col("rule") == rule)), EXAMPLES_EACH)
        for kind, rule in rules.iter_rows()
    ]
    return pl.concat([pl.DataFrame(schema=EXAMPLES), *chosen])
