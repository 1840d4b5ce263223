"""The controls of the page: one table that says how each looks and what it changes in a query.

A new control is one entry in CONTROLS. Gradio passes the values by position; only `Settings.query`
pairs them with the table.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.terms import ARTISTS, read_terms
from unprompt.inversion.compose.settings import ComposeConfig
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.query import Query
from unprompt.ui.page.server.values import check_number, check_text, short

CANDIDATES = 8  # candidates and neighbors on the page and in the answer of `/invert`
EVENTS = {  # by component: the events that mean the value is final
    "Checkbox": ("input",),
    "Dropdown": ("input",),
    "Slider": ("release",),
    "Textbox": ("blur", "submit"),
}


@dataclass(frozen=True)
class Control:
    """One control: its looks, its default, and the part of a query that its value changes."""

    name: str  # the element id is up-NAME
    component: str  # class of gradio, a key of EVENTS
    label: str
    default: Callable[[Blend], Any]  # the value that stands for the tuned settings
    info: str | None = None  # help below the label
    options: Mapping[str, Any] = field(default_factory=dict)  # of the component: range, choices
    blend: Callable[[Blend, Any], Blend] | None = None  # the blend with this value
    words: Callable[[ComposeConfig, Any], ComposeConfig] | None = None  # the same for composing

    def check(self, value: Any) -> None:
        """Raise ConfigError for a value that the control cannot take; a client can send any."""
        if self.component == "Slider":
            low, high, step = (self.options[name] for name in ("minimum", "maximum", "step"))
            check_number(self.label, value, low, high, whole=step == 1)
        elif self.component == "Textbox":
            check_text(self.label, value)
        elif self.component == "Checkbox":
            if type(value) is not bool:
                raise ConfigError(f"{self.label}: wanted true or false, got {short(value)}")
        elif value not in [name for _, name in self.options["choices"]]:
            names = ", ".join(name for _, name in self.options["choices"])
            raise ConfigError(f"{self.label}: wanted one of {names}, got {short(value)}")


def _ban(words: ComposeConfig, *terms: str) -> ComposeConfig:
    return replace(words, ban=(*words.ban, *terms))


def _split_terms(text: str) -> list[str]:
    terms = (term.strip() for term in text.replace("\n", ",").split(","))
    return [term for term in terms if term]


CONTROLS = (
    Control(
        name="ban",
        component="Textbox",
        label="Banned words",
        info="The prompt contains none of these words or phrases. Separate them with commas.",
        default=lambda tuned: "",
        options={"placeholder": "close-up, neon"},
        words=lambda words, text: _ban(words, *_split_terms(text)),
    ),
    Control(
        name="artists",
        component="Checkbox",
        label="Ban artists' names",
        default=lambda tuned: False,
        words=lambda words, banned: _ban(words, *read_terms([ARTISTS])),
    ),
    Control(
        name="tokens",
        component="Slider",
        label="Maximum length in CLIP tokens",
        default=lambda tuned: ComposeConfig().max_tokens,
        options={"minimum": 8, "maximum": 77, "step": 1},
        words=lambda words, count: replace(words, max_tokens=int(count)),
    ),
    Control(
        name="k",
        component="Slider",
        label="Neighbors (k)",
        default=lambda tuned: tuned.knn.k,
        options={"minimum": 1, "maximum": 200, "step": 1},
        blend=lambda blend, k: blend.with_knn(replace(blend.knn, k=int(k))),
    ),
    Control(
        name="weighting",
        component="Dropdown",
        label="Neighbor weights",
        default=lambda tuned: tuned.knn.weighting,
        options={
            "choices": [
                ("local ridge regression", "local_ridge"),
                ("softmax of the similarity", "softmax"),
                ("1 / (distance^6 + 1e-4)", "inverse_power"),
            ]
        },
        blend=lambda blend, name: blend.with_knn(replace(blend.knn, weighting=name)),
    ),
    Control(
        name="temperature",
        component="Slider",
        label="Softmax temperature",
        info="Used only by the softmax weights.",
        default=lambda tuned: round(tuned.knn.temperature, 2),
        options={"minimum": 0.01, "maximum": 0.5, "step": 0.01},
        blend=lambda blend, heat: blend.with_knn(replace(blend.knn, temperature=float(heat))),
    ),
    Control(
        name="alpha",
        component="Slider",
        label="Weight of the kNN estimate (alpha)",
        info="The regression head gets the rest.",
        default=lambda tuned: round(tuned.alpha, 2),
        options={"minimum": 0.0, "maximum": 1.0, "step": 0.01},
        blend=lambda blend, alpha: blend.with_alpha(float(alpha)),
    ),
)


@dataclass(frozen=True)
class Settings:
    """The components of CONTROLS on the page, in the same order, and the tuned blend."""

    tuned: Blend
    components: list[Any]
    reset: Any  # the button that restores the defaults

    @property
    def defaults(self) -> list[Any]:
        """The value of every control before a user changes it."""
        return [control.default(self.tuned) for control in CONTROLS]

    def changes(self) -> Iterator[Any]:
        """Every event listener that means a user has changed a value."""
        for control, component in zip(CONTROLS, self.components, strict=True):
            for event in EVENTS[control.component]:
                yield getattr(component, event)

    def query(self, values: tuple[Any, ...]) -> Query:
        """The query for the values of `components`, in their order."""
        names = (control.name for control in CONTROLS)
        return make_query(self.tuned, dict(zip(names, values, strict=True)))


def add_settings(gr: Any, tuned: Blend) -> Settings:
    """Add the controls to the page; each starts at its default."""
    with gr.Accordion("Settings", open=False, elem_id="up-settings"):
        components = [
            getattr(gr, control.component)(
                value=control.default(tuned),
                label=control.label,
                info=control.info,
                elem_id=f"up-{control.name}",
                **control.options,
            )
            for control in CONTROLS
        ]
        reset = gr.Button("Reset to tuned values", size="sm", elem_id="up-reset")
    return Settings(tuned, components, reset)


def make_query(tuned: Blend, values: Mapping[str, Any]) -> Query:
    """The query for named control values.

    A control that is missing or at its default changes nothing: the tuned blend keeps its gate
    and its exact values.
    """
    blend, words = tuned, ComposeConfig()
    for control in CONTROLS:
        value = values.get(control.name)
        if value is None or value == control.default(tuned):
            continue
        control.check(value)
        if control.blend is not None:
            blend = control.blend(blend, value)
        if control.words is not None:
            words = control.words(words, value)
    return Query(CANDIDATES, blend=blend, words=words)
