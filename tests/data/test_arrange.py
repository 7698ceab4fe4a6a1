import unicodedata

import pytest

from jgen.data.arrange import arrange
from jgen.errors import UserError


def names(pattern, count):
    return sorted(pattern.format(i) for i in range(count))


def test_one_image_in_ten_is_held_out():
    plan = arrange(names("{}.png", 95))
    assert (len(plan.train), len(plan.test), plan.labels, plan.classes) == (86, 9, None, ())
    assert sorted(plan.train + plan.test) == names("{}.png", 95)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_fewer_than_ten_images_all_train(count):
    plan = arrange(names("{}.png", count))
    assert len(plan.train) == count and plan.test == [] and plan.split == "all for training"


def test_the_split_is_of_each_class():
    plan = arrange(names("cat/{}.png", 40) + names("dog/{}.png", 20) + names("owl/{}.png", 9))
    held_out = [name.split("/")[0] for name in plan.test]
    assert {kind: held_out.count(kind) for kind in ("cat", "dog", "owl")} == {"cat": 4, "dog": 2, "owl": 0}
    assert plan.classes == ("cat", "dog", "owl")
    assert plan.labels == [plan.classes.index(name.split("/")[0]) for name in plan.train + plan.test]


def test_an_added_image_moves_few_others():
    before, after = (set(arrange(names("{}.png", count)).test) for count in (500, 501))
    assert len(before - after) <= 1


def test_images_beside_the_folders_make_them_no_classes():
    plan = arrange(sorted([*names("cat/{}.png", 3), *names("dog/{}.png", 3), "stray.png"]))
    assert plan.labels is None and plan.classes == ()


def test_one_folder_is_no_class_and_wrappers_do_not_count():
    assert arrange(names("cat/{}.png", 12)).classes == ()
    wrapped = arrange(names("a/b/cat/{}.png", 12) + names("a/b/dog/x/{}.png", 12))
    assert wrapped.classes == ("cat", "dog")


@pytest.mark.parametrize("folder", ["test", "val", "Test", "validation", "testing", "TESTING", "test_set"])
def test_folders_give_the_split(folder):
    train, test = names("Train/{}.png", 4), names(folder + "/{}.png", 30)
    plan = arrange(sorted([*train, *test, "other/1.png", "2.png"]))
    assert plan.train == train and plan.test == sorted(test)
    assert plan.left_out == dict.fromkeys(["2.png", "other/1.png"], f"outside Train/ and {folder}/")
    assert plan.split == f"folders Train/ and {folder}/"


@pytest.mark.parametrize("folders", [("seg_train", "seg_test"), ("train2017", "val2017"), ("训练集", "测试集")])
def test_a_split_is_known_by_a_word_of_each_folders_name(folders):
    plan = arrange(sorted(f"{folder}/{kind}/1.png" for folder in folders for kind in "ab"))
    assert plan.classes == ("a", "b") and plan.split == f"folders {folders[0]}/ and {folders[1]}/"
    with_a_class = ("bus", "test drive", "train station")
    assert arrange(sorted(f"{folder}/1.png" for folder in with_a_class)).classes == with_a_class
    assert arrange(["bullet train/1.png", "freight train/1.png"]).classes == ("bullet train", "freight train")


def test_test_is_preferred_to_val():
    plan = arrange(["test/1.png", "train/1.png", "val/1.png"])
    assert (plan.train, plan.test, plan.left_out) == (
        ["train/1.png"],
        ["test/1.png"],
        {"val/1.png": "outside train/ and test/"},
    )


def test_train_alone_is_an_ordinary_folder():
    assert arrange(names("plane/{}.png", 2) + names("train/{}.png", 2)).classes == ("plane", "train")


def test_split_and_classes_together():
    plan = arrange(["test/b/1.png", "train/a/1.png", "train/b/1.png"])
    assert plan.classes == ("a", "b") and plan.labels == [0, 1, 1]
    assert arrange(["test/1.png", "train/a/1.png", "train/b/1.png"]).classes == ()


def test_training_and_testing_are_a_split():
    plan = arrange(names("testing/{}.png", 3) + names("training/{}.png", 4))
    assert (len(plan.train), len(plan.test), plan.classes) == (4, 3, ())


def test_a_few_images_beside_class_folders_are_left_out():
    classes = names("cat/{}.png", 12) + names("dog/{}.png", 12)
    plan = arrange(sorted([*classes, "preview.png"]))
    assert plan.classes == ("cat", "dog") and plan.left_out == {"preview.png": "beside the class folders"}
    wrapped = arrange(sorted([*(f"pets/{name}" for name in classes), "preview.png"]))
    assert wrapped.classes == ("cat", "dog") and list(wrapped.left_out) == ["preview.png"]
    split = [f"{side}/{name}" for side in ("train", "test") for name in [*classes, "preview.png"]]
    assert arrange(sorted(split)).classes == ("cat", "dog")
    assert sorted(arrange(sorted(split)).left_out) == ["test/preview.png", "train/preview.png"]


def test_with_many_images_beside_them_there_are_no_classes_and_it_is_said():
    plan = arrange(sorted(names("cat/{}.png", 3) + names("dog/{}.png", 3) + names("{}.png", 4)))
    assert plan.classes == () and len(plan.train + plan.test) == 10 and not plan.left_out
    assert plan.notes == ("no classes, for 4 images lie beside the folders cat/, dog/",)


def test_without_classes_no_image_is_left_out():
    plan = arrange(sorted([*names("all/{}.png", 30), "preview.png"]))
    assert len(plan.train + plan.test) == 31 and not plan.left_out and not plan.notes


def test_classes_spelled_differently_in_both_splits_are_matched_and_named():
    found = arrange(sorted(f"{name}/1.png" for name in ("train/Cats", "train/Dogs", "test/cats", "test/dogs")))
    assert found.classes == ("Cats", "Dogs") and found.labels == [0, 1, 0, 1]
    assert found.notes[0] == "test/cats and train/Cats are taken for one class" and len(found.notes) == 2


def test_classes_in_two_encodings_of_unicode_are_one():
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    plan = arrange(sorted([f"train/{composed}/1.png", "train/b/1.png", f"test/{decomposed}/1.png", "test/b/1.png"]))
    assert len(plan.classes) == 2 and len(plan.notes) == 1
    assert [plan.classes[label] for label in plan.labels] == ["b", composed, "b", composed]
    with pytest.raises(UserError, match="two class folders are called é"):
        arrange(sorted([f"{composed}/1.png", f"{decomposed}/1.png"]))


def test_letters_of_two_cases_are_two_classes():
    """As in folders of handwritten letters."""
    plan = arrange(sorted(f"{side}/{letter}/1.png" for side in ("train", "test") for letter in "Aa"))
    assert plan.classes == ("A", "a") and plan.labels == [0, 1, 0, 1] and not plan.notes


def test_a_class_in_one_split_alone_is_named():
    plan = arrange(["test/b/1.png", "test/c/1.png", "train/a/1.png", "train/b/1.png"])
    assert plan.notes == ("no training images of c/", "no test images of a/")
    flat = arrange(["test/1.png", "train/a/1.png", "train/b/1.png"])
    assert flat.notes == ("no classes, for test/ has no class folders",)


@pytest.mark.parametrize(
    "folders", [("Train", "train", "test"), ("train", "training", "test"), ("train", "Val", "val")]
)
def test_two_folders_for_one_split_are_refused(folders):
    with pytest.raises(UserError, match="may each be the"):
        arrange(sorted(f"{folder}/1.png" for folder in folders))


def test_an_archive_unpacked_into_a_folder_of_its_own_name():
    plan = arrange(sorted(f"{side}/{side}/{kind}/1.png" for side in ("training_set", "test_set") for kind in "ab"))
    assert plan.classes == ("a", "b") and plan.labels == [0, 1, 0, 1]


@pytest.mark.parametrize("folder", ["unlabelled", "Unlabeled"])
def test_an_unlabelled_folder_is_no_class(folder):
    labelled = names("cat/{}.png", 12) + names("dog/{}.png", 12)
    plan = arrange(sorted([*labelled, *names(folder + "/x/{}.png", 30)]))
    assert plan.classes == ("cat", "dog") and plan.unlabelled == names(folder + "/x/{}.png", 30)
    assert sorted(plan.train + plan.test) == labelled and plan.names[-30:] == plan.unlabelled
    split = [f"{side}/{name}" for side in ("train", "test") for name in labelled]
    for place in (folder, f"train/{folder}"):
        plan = arrange(sorted([*split, f"{place}/1.png"]))
        assert plan.classes == ("cat", "dog") and plan.unlabelled == [f"{place}/1.png"]
    alone = arrange(names(folder + "/{}.png", 12))
    assert len(alone.train) == 11 and not alone.unlabelled  # nothing else to learn from


def test_a_training_folder_without_images_to_train_on_is_refused():
    with pytest.raises(UserError, match="train/ holds no images"):
        arrange(["test/a/1.png", "test/b/1.png", "train/unlabelled/1.png"])
