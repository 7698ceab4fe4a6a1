import pytest

from jgen.data.arrange import arrange


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


@pytest.mark.parametrize("folder", ["test", "val", "Test", "validation"])
def test_folders_give_the_split(folder):
    train, test = names("Train/{}.png", 4), names(folder + "/{}.png", 30)
    plan = arrange(sorted([*train, *test, "other/1.png", "2.png"]))
    assert plan.train == train and plan.test == sorted(test)
    assert sorted(plan.left_out) == ["2.png", "other/1.png"]
    assert plan.split == f"folders Train/ and {folder}/"


def test_test_is_preferred_to_val():
    plan = arrange(["test/1.png", "train/1.png", "val/1.png"])
    assert (plan.train, plan.test, plan.left_out) == (["train/1.png"], ["test/1.png"], ["val/1.png"])


def test_train_alone_is_an_ordinary_folder():
    assert arrange(names("plane/{}.png", 2) + names("train/{}.png", 2)).classes == ("plane", "train")


def test_split_and_classes_together():
    plan = arrange(["test/b/1.png", "train/a/1.png", "train/b/1.png"])
    assert plan.classes == ("a", "b") and plan.labels == [0, 1, 1]
    assert arrange(["test/1.png", "train/a/1.png", "train/b/1.png"]).classes == ()
