"""Predictions, made before the result is seen and compared with it afterwards."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

from cgan_lib.course import progress
from cgan_lib.errors import UserError, shown


class Prediction:
    """A question with a few possible answers: choose one, run on, and `compare`."""

    def __init__(self, question: str, options: Sequence[str]):
        self.question, self.options = question, [*options]
        kept = progress.read()["predictions"].get(question, {}).get("choice")
        self.choice: str | None = kept if kept in self.options else None
        self.outcome: str | None = None

    def choose(self, option: str) -> None:
        """Commit to an answer; `UserError` when it is none of the options, or when the result was shown already."""
        if option not in self.options:
            raise UserError(f"{option!r} is none of the answers: choose one of {', '.join(self.options)}.")
        if self.outcome is not None:
            raise UserError("the result was shown already: a prediction comes before it.")
        self.choice = option
        progress.note_prediction(self.question, option)

    def compare(self, outcome: str) -> None:
        """Show what was predicted beside what came out; from then on the prediction stands."""
        if outcome not in self.options:
            raise UserError(f"{outcome!r} is none of the answers: they are {', '.join(self.options)}.")
        self.outcome = outcome
        progress.note_outcome(self.question, outcome)
        if self.choice is None:
            print(f"Here it was: {outcome}. (You made no prediction: try one next time, before you run on.)")
        elif self.choice == outcome:
            print(f"✔ As you predicted: {outcome}.")
        else:
            print(f"✘ You predicted: {self.choice}. Here it was: {outcome}. What did you not think of?")

    def __repr__(self) -> str:
        lines = [f"{'●' if option == self.choice else '○'} {option}" for option in self.options]
        return "\n".join([f"Predict: {self.question}", *lines])


def predict(question: str, options: Sequence[str], choice: str | None = None) -> Prediction:
    """Ask for a prediction, with buttons below the cell; where there are none, give the answer as `choice`.

    What was chosen is kept from one session to the next. `UserError` for fewer than two options, and for a choice that
    is none of them.
    """
    if not isinstance(question, str):
        raise UserError(f"the question must be a text, not {shown(question)}.")
    prediction = Prediction(question, _checked(options))
    if choice is not None:
        prediction.choose(choice)
    _show(prediction)
    return prediction


def _checked(options: Any) -> list[str]:
    answers = [*options] if isinstance(options, Iterable) and not isinstance(options, str) else []
    if not all(isinstance(answer, str) for answer in answers) or len(set(answers)) < 2:
        raise UserError("a prediction needs at least two different answers: a list of texts.")
    return answers


def _show(prediction: Prediction) -> None:
    """Buttons; in a place without widgets, such as GitHub, the question and its answers as a list."""
    from IPython.display import display

    options = "".join(f"<li>{html.escape(option)}</li>" for option in prediction.options)
    bundle: dict[str, Any] = {
        "text/plain": repr(prediction),
        "text/html": f"<b>Predict:</b> {html.escape(prediction.question)}<ul>{options}</ul>",
    }
    if view := _buttons(prediction):
        bundle["application/vnd.jupyter.widget-view+json"] = view
    display(bundle, raw=True)


def _buttons(prediction: Prediction) -> dict[str, Any] | None:
    """How a notebook finds the buttons; None when ipywidgets is not there."""
    try:
        import ipywidgets as widgets
    except ImportError:
        return None
    head = widgets.HTML(f"<b>Predict:</b> {html.escape(prediction.question)}")
    buttons = widgets.RadioButtons(
        options=prediction.options, value=prediction.choice, layout=widgets.Layout(width="auto")
    )
    said = widgets.Label("" if prediction.choice is None else "Kept from before.")

    def chosen(change: dict[str, Any]) -> None:
        if prediction.outcome is None:
            prediction.choose(change["new"])
            said.value = "Kept. Run on: the answer comes below."
        elif change["new"] != prediction.choice:
            buttons.value = prediction.choice
            said.value = "The result was shown already: the prediction stands as it was made."

    buttons.observe(chosen, "value")
    box = widgets.VBox([head, buttons, said])
    return {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
