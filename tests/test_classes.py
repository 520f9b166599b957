"""Classes by their names: what is taken for which class, and that none is taken for another without a word."""

import pytest
import torch
from torch import nn

from cgan_lib import UserError, generate, get_recipe
from cgan_lib.attributes import joint_names
from cgan_lib.classes import Classes, distinct
from cgan_lib.data import CLOTHES, DIGITS

COLOURED = {"digit": DIGITS, "colour": ("red", "green", "blue")}
AWKWARD = ("a | b", "Äpfel", "תפוח", "🍎 “red”", "<b>", "two,words", "-x", "*", "a" * 100)


@pytest.fixture(scope="module")
def coloured():
    return Classes(joint_names(COLOURED), COLOURED)


def plain(*names):
    return Classes(names)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        *(("7,red", [21]), ("7 red", [21]), ("7,RED", [21]), (" 7 , Red ", [21]), ("7,0", [21]), ("21", [21])),
        *((21, [21]), (["7", "red"], [21]), ((7, "red"), [21]), ([7, 0], [21]), ({"digit": "7", "colour": 0}, [21])),
        *(({"Colour": "red", "DIGIT": 7}, [21]), (0, [0]), (7, [7]), ("*", list(range(30)))),
        *(("*,red", list(range(0, 30, 3))), ("7,*", [21, 22, 23]), (["*", 2], list(range(2, 30, 3)))),
    ],
)
def test_a_class_of_attributes_is_found_however_it_is_said(coloured, said, labels):
    assert coloured.find(said) == labels


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        *(("7", r"'7' is a digit alone: name all of digit,colour"), ("red", "'red' is a colour alone")),
        *(("7,rad", "unknown colour 'rad': did you mean 'red'"), ("red,7", "unknown digit 'red'")),
        *(("7,red,big", "one value for each of digit,colour"), ("10,red", "digit 10 is no class: use 0 to 9")),
        *(([7, 3], "colour 3 is no class"), (["7"], "one value for each"), ("30", "label 30 is no class: use 0 to 29")),
        *(({"digit": 7}, "one value for each of digit,colour"), ({"digit": 7, "tone": 1}, "unknown attribute 'tone'")),
        *(({"digit": 7, "Digit": 7}, "one value for each"), ({}, "one value for each"), ("", "unknown class ''")),
        *((None, "name or a whole number"), (True, "name or a whole number"), ([True, 0], "name or a whole number")),
        *((7.0, "name or a whole number"), (["7", ["red"]], "name or a whole number"), ("-1", "label -1 is no class")),
        (99 * "9", "unknown class"),
    ],
)
def test_what_is_no_class_of_attributes_is_a_line(coloured, said, reason):
    with pytest.raises(UserError, match=reason) as error:
        coloured.find(said)
    assert "\n" not in str(error.value)


def test_names_come_before_numbers_and_differ_in_more_than_large_letters():
    assert Classes(CLOTHES).find("Shirt") == Classes(CLOTHES).find(6) == Classes(CLOTHES).find("6") == [6]
    assert plain("a", "A").find("A") == [1]
    assert plain("é").find("e\u0301") == plain("é").find("É") == [0]
    with pytest.raises(UserError, match="'ab' may be each of 'aB', 'Ab': write it as it stands there"):
        plain("aB", "Ab").find("ab")
    with pytest.raises(UserError, match="unknown class 'shrit': did you mean 'shirt'"):
        Classes(CLOTHES).find("shrit")
    with pytest.raises(UserError, match="have no attributes"):
        Classes(CLOTHES).find(["shirt", "red"])
    with pytest.raises(UserError, match="have no attributes"):
        Classes(CLOTHES).find({"class": "shirt"})


@pytest.mark.parametrize("names", [("3", "7", "9"), ("1", "2", "3"), ("-1", "0", "1"), ("007", "a"), ("10", "x", "y")])
def test_no_number_is_taken_for_a_class_where_a_name_might_be_meant(names):
    classes = plain(*names)
    for label, name in enumerate(names):
        assert classes.find(name) == [label]
    for number in sorted({"0", "1", "2", "4"} - set(names)):
        with pytest.raises(UserError, match=f"unknown class '{number}'"):
            classes.find(number)
    assert classes.find(1) == [1]  # a number that is no text counts


def test_digits_are_names_and_numbers_alike():
    assert Classes(DIGITS).find("7") == Classes(DIGITS).find(7) == [7]
    assert plain("0", "1", "apple").find("2") == [2]
    with pytest.raises(UserError, match=r"'7,7,3' is no class: put spaces between several, 7 7 3"):
        Classes(DIGITS).find("7,7,3")


def test_whatever_is_said_of_a_class_is_found_again(coloured):
    odd = {"a": AWKWARD, "b": "xy"}
    for classes in (coloured, plain(*AWKWARD), plain("3", "7"), Classes(joint_names(odd), odd)):
        for label in range(len(classes.names)):
            assert classes.find(classes.say(label)) == [label]
            assert not classes.say(label).startswith("-")
    assert [coloured.say(21), Classes(CLOTHES).say(6), plain("-x", "y").say(0)] == ["7,red", "shirt", "0"]


def test_names_that_are_alike_are_told_apart():
    assert distinct(["crane", "bird", "crane", "crane (2)"]) == ["crane", "bird", "crane (2)", "crane (2) (3)"]


def test_one_label_is_asked_for_where_a_picture_shows_one(coloured):
    assert coloured.label("7,red") == 21
    with pytest.raises(UserError, match="'\\*,red' are 10 classes: name one"):
        coloured.label("*,red")


def test_a_message_about_a_thousand_classes_is_short():
    with pytest.raises(UserError) as error:
        plain(*(f"class number {n}" for n in range(1000))).find("class numbre 700")
    assert "did you mean 'class number 700'" in str(error.value)
    assert len(str(error.value)) < 1500


# --- of a generator


def test_images_are_drawn_by_names():
    generator, _ = get_recipe("bce", image_size=16, base_channels=8, base_channels_d=8).build(30, 1, (10, 3))
    generator.draws("coloured_digits", joint_names(COLOURED), COLOURED)
    expected = generate(generator, [21, 9, 3])
    for labels in (["7,red", "3 red", 3], [["7", "red"], [3, "red"], "1,0"], [{"digit": 7, "colour": 0}, 9, "1 red"]):
        assert torch.equal(generate(generator, labels), expected)
    with pytest.raises(UserError, match="unknown colour 'rod'"):
        generate(generator, ["7,rod"])
    with pytest.raises(UserError, match="list"):
        generate(generator, "7,red")


def test_classes_without_names_are_numbers():
    network = nn.Linear(1, 1)
    network.config = dict(latent_dim=1, num_classes=6, attributes=[2, 3])
    assert Classes.of(network).find("1,2") == [5]
    assert Classes.of(network).find("5") == [5]
    network.config = dict(latent_dim=1, num_classes=3)
    assert list(Classes.of(network).names) == ["0", "1", "2"]
