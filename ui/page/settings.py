"""The page's controls -> the query that a picture is answered with; and back to what was tuned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from unprompt.index.base.terms import read_terms
from unprompt.inversion.compose.settings import ComposeConfig
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.inverter import Query

SHOWN = 8  # candidates, and neighbours
WEIGHTINGS = [
    ("ridge on the neighbours", "local_ridge"),
    ("softmax of the similarity", "softmax"),
    ("1 / (d^6 + 1e-4)", "inverse_power"),
]
MOST_NEIGHBORS, MOST_TOKENS = 200, 77


@dataclass(frozen=True)
class Controls:
    """The components of the settings, in the order of `values`."""

    k: Any
    weighting: Any
    temperature: Any
    alpha: Any
    tokens: Any
    ban: Any
    artists: Any
    reset: Any

    @property
    def values(self) -> list[Any]:
        """What an event reads."""
        return [
            self.k, self.weighting, self.temperature, self.alpha, self.tokens, self.ban,
            self.artists,
        ]  # fmt: skip


def add_controls(gr: Any, tuned: Blend) -> Controls:
    """Sliders and fields that start at what was tuned."""
    k, weighting, temperature, alpha, tokens, ban, artists = tuned_values(tuned)
    with gr.Accordion("Settings", open=False, elem_id="up-settings"):
        ban_field = gr.Textbox(
            ban, label="Words to keep out", placeholder="close-up, neon", elem_id="up-ban",
            info="Separated by commas",
        )  # fmt: skip
        artist_box = gr.Checkbox(artists, label="Keep artists' names out", elem_id="up-artists")
        token_slider = gr.Slider(
            8, MOST_TOKENS, tokens, step=1, label="CLIP tokens at most", elem_id="up-tokens"
        )
        k_slider = gr.Slider(1, MOST_NEIGHBORS, k, step=1, label="Neighbours", elem_id="up-k")
        choice = gr.Dropdown(
            WEIGHTINGS, value=weighting, label="Weight of a neighbour", elem_id="up-weighting"
        )
        heat = gr.Slider(
            0.01, 0.5, temperature, step=0.01, label="Temperature of the softmax", elem_id="up-heat"
        )
        share = gr.Slider(
            0.0, 1.0, alpha, step=0.01, label="Share of the neighbours (alpha)",
            info="The regression head has the rest", elem_id="up-alpha",
        )  # fmt: skip
        reset = gr.Button("Reset to tuned", size="sm", elem_id="up-reset")
    return Controls(k_slider, choice, heat, share, token_slider, ban_field, artist_box, reset)


def tuned_values(tuned: Blend) -> tuple[Any, ...]:
    """What the controls show when nothing was moved."""
    knn = tuned.knn
    return (
        knn.k, knn.weighting, round(knn.temperature, 2), round(tuned.alpha, 2), MOST_TOKENS, "",
        False,
    )  # fmt: skip


def make_query(tuned: Blend, values: Sequence[Any]) -> Query:
    """The query of moved controls; what was not moved stays as it was tuned, gate included."""
    k, weighting, temperature, alpha, tokens, ban, artists = values
    unmoved = tuned_values(tuned)
    blend = tuned
    if (k, weighting, temperature) != unmoved[:3]:
        moved: dict[str, Any] = {"weighting": weighting, "temperature": float(temperature)}
        blend = blend.with_knn(replace(tuned.knn, k=int(k), **moved))
    if alpha != unmoved[3]:
        blend = blend.with_alpha(float(alpha))
    terms = [term.strip() for term in str(ban or "").replace("\n", ",").split(",")]
    names = read_terms(["artists"]) if artists else ()
    banned = (*(term for term in terms if term), *names)
    words = ComposeConfig(max_tokens=int(tokens), ban=banned)
    return Query(SHOWN, blend=None if blend is tuned else blend, words=words)
