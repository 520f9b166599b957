"""What is solved and predicted is kept from one session to the next, and forgotten when asked."""

import contextlib
import signal
import threading

import pytest

from cgan_lib.course import exercises, progress
from cgan_lib.course.exercises import verdict
from cgan_lib.course.predict import predict
from cgan_lib.course.status import course_status, reset_course_status
from cgan_lib.errors import UserError


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A course in a folder of its own, opened in a notebook."""
    monkeypatch.setenv("CGAN_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "_kept", False)
    monkeypatch.setattr(verdict, "_right", {})
    progress.keep()
    return tmp_path / "logs" / "progress.json"


def printed(capsys, *arguments):
    capsys.readouterr()
    course_status(*arguments)
    return capsys.readouterr().out


def test_what_is_solved_is_kept_with_its_attempts(kept, capsys):
    exercises.check_numbers_in_image(28)
    exercises.check_numbers_in_image(784)
    exercises.check_numbers_in_image(28)  # played with afterwards: solved it stays
    exercises.check_between(...)
    assert "✔ 2 attempts" in printed(capsys, "00")
    assert "00        1 of " in printed(capsys)
    (line,) = [line for line in printed(capsys, "06").splitlines() if "between" in line]
    assert line.endswith("○")


def test_a_wrong_answer_is_an_attempt(kept, capsys):
    exercises.check_between([0.5] * 10)
    assert "✘ 1 attempt\n" in printed(capsys, "06_latent_studio")


def test_outside_a_notebook_nothing_is_kept(kept, monkeypatch):
    monkeypatch.setattr(progress, "_kept", False)
    exercises.check_numbers_in_image(784)
    predict("Heads?", ["yes", "no"]).choose("yes")
    assert not kept.exists()


def test_one_notebook_or_everything_is_forgotten(kept, capsys):
    exercises.check_numbers_in_image(784)
    exercises.check_between([0.0, 0.75, 0, 0, 0, 0, 0, 0.25, 0, 0])
    predict("Heads?", ["yes", "no"]).choose("yes")
    reset_course_status("00")
    assert "00        0 of " in printed(capsys)
    assert "06        1 of " in printed(capsys)
    reset_course_status()
    assert not kept.exists()
    reset_course_status()  # nothing to forget: no error
    assert "06        0 of " in printed(capsys)


def test_a_notebook_without_exercises_is_named(kept):
    with pytest.raises(UserError, match="notebook"):
        course_status("99")


def test_a_damaged_file_is_put_aside_not_overwritten(kept):
    kept.parent.mkdir()
    kept.write_text('{"exercises": {"slerp":')
    with pytest.warns(UserWarning, match=r"progress\.damaged\.json"):
        exercises.check_numbers_in_image(784)
    assert kept.with_suffix(".damaged.json").read_text().startswith('{"exercises"')
    assert progress.read()["exercises"]["numbers_in_image"]["solved"]


def test_where_nothing_can_be_written_learning_goes_on(kept):
    kept.parent.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="progress is not kept"):
        assert exercises.check_numbers_in_image(784)


def test_yours_is_the_answer_that_was_right_else_that_of_the_course(kept, capsys):
    def course(start, end, share):
        return start

    assert exercises.yours("slerp", course) is course
    exercises.check_slerp(course)
    assert exercises.yours("slerp", course) is course
    exercises.check_numbers_in_image(784.0)
    assert exercises.yours("numbers_in_image", 1) == 784.0
    assert capsys.readouterr().out.splitlines() == [
        "slerp: the one of the course",
        "slerp: the one of the course",
        "numbers_in_image: yours",
    ]
    with pytest.raises(UserError, match="exercise"):
        exercises.yours("slurp", course)


# --- predictions


def test_a_prediction_comes_back_below(kept, capsys):
    coin = predict("Heads?", ["yes", "no"])
    coin.choose("no")
    coin.compare("yes")
    assert "You predicted: no. Here it was: yes." in capsys.readouterr().out
    with pytest.raises(UserError, match="shown already"):
        coin.choose("yes")
    assert predict("Heads?", ["yes", "no"]).choice == "no"  # another session
    assert "Predictions: 0 of 1 came true." in printed(capsys)


def test_without_buttons_the_choice_is_an_argument(kept, capsys):
    predict("Heads?", ["yes", "no"], "yes").compare("yes")
    assert "✔ As you predicted: yes." in capsys.readouterr().out


def test_who_predicts_nothing_is_told_the_result(kept, capsys):
    predict("Heads?", ["yes", "no"]).compare("no")
    assert "Here it was: no." in capsys.readouterr().out


def test_the_buttons_choose_and_stand_still_afterwards(kept):
    from ipywidgets import RadioButtons, Widget
    from ipywidgets.widgets.widget import _instances as alive

    before = set(alive)
    coin = predict("Heads?", ["yes", "no"])
    (buttons,) = [widget for key, widget in alive.items() if key not in before and isinstance(widget, RadioButtons)]
    assert isinstance(buttons, Widget)
    assert buttons.value is None
    buttons.value = "no"
    assert coin.choice == "no"
    coin.compare("yes")
    buttons.value = "yes"
    assert (buttons.value, coin.choice) == ("no", "no")


def test_options_that_are_changed_later_forget_the_choice(kept):
    predict("Heads?", ["yes", "no"], "yes")
    assert predict("Heads?", ["heads", "tails"]).choice is None


@pytest.mark.parametrize("options", [[], ["one"], "yes or no", ["a", "a"], [1, 2], [["a"], ["b"]], None, 2])
def test_a_prediction_needs_two_answers(kept, options):
    with pytest.raises(UserError, match="at least two"):
        predict("?", options)


def test_a_question_is_a_text(kept):
    with pytest.raises(UserError, match="the question must be a text"):
        predict(None, ["yes", "no"])


@pytest.mark.parametrize("choice", ["maybe", "", 1])
def test_a_choice_is_one_of_the_answers(kept, choice):
    with pytest.raises(UserError, match="none of the answers"):
        predict("Heads?", ["yes", "no"], choice)
    with pytest.raises(UserError, match="none of the answers"):
        predict("Heads?", ["yes", "no"]).compare(choice)


# --- answers that do not come to an end


def test_an_endless_answer_is_stopped(monkeypatch):
    def endless():
        while True:
            with contextlib.suppress(Exception):
                sum(range(9))

    assert "does not end" in repr(verdict.judge(lambda: verdict.run(endless), [endless], 1))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_a_timer_that_runs_already_goes_on():
    before, _ = signal.setitimer(signal.ITIMER_REAL, 500)
    exercises.check_numbers_in_image(784)
    left, _ = signal.setitimer(signal.ITIMER_REAL, before)
    assert 400 < left <= 500


def test_in_another_thread_a_check_works_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(exercises.check_numbers_in_image(784)))
    thread.start()
    thread.join()
    assert found[0].state == "right"


def test_exercises_are_listed_in_the_order_of_their_notebook(kept, capsys):
    numbers = [int(line.split()[0]) for line in printed(capsys, "04").splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 5


def test_a_file_that_may_not_be_read_is_not_written_over(kept):
    kept.mkdir(parents=True)
    with pytest.warns(UserWarning, match="progress is not kept"):
        assert exercises.check_numbers_in_image(784)
    with pytest.raises(UserError, match="cannot be read"):
        predict("Heads?", ["yes", "no"])
