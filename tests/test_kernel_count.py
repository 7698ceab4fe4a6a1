"""A session compiles few kernels: the first `make test` waits for each of them."""

import os
import sys
import types

import pytest

import kernel_count


@pytest.fixture
def jit(tmp_path, monkeypatch):
    """The folder in which Jittor's kernels appear."""
    monkeypatch.setitem(sys.modules, "jittor.compiler", types.SimpleNamespace(cache_path=str(tmp_path)))
    (tmp_path / "jit").mkdir()
    return tmp_path / "jit"


def test_what_appears_is_counted_with_its_test(jit):
    (jit / "old_op.so").touch()
    os.utime(jit / "old_op.so", (0, 0))
    counter = kernel_count.Counter()
    for number, test in enumerate(("first", "second", "second", "third")):
        if test != "third":
            (jit / f"{number}_op.so").touch()
            (jit / f"{number}_op.so.key").touch()
            os.utime(jit, ns=(0, number))
        counter.look(test)
    assert counter.test_of == {"0_op.so": "first", "1_op.so": "second", "2_op.so": "second"}
    assert counter.most(1) == ["   2 second"]


def test_a_kernel_that_two_workers_saw_counts_once():
    counter = kernel_count.Counter()
    counter.add({"a": "first", "b": "first"})
    counter.add({"b": "second", "c": "second"})
    assert counter.test_of == {"a": "first", "b": "first", "c": "second"} and counter.total == 3


@pytest.mark.parametrize("compiled, status", [(2, pytest.ExitCode.OK), (3, pytest.ExitCode.TESTS_FAILED)])
def test_a_session_over_its_budget_fails(monkeypatch, compiled, status):
    counter = kernel_count.Counter()
    counter.add({str(number): "test" for number in range(compiled)})
    monkeypatch.setattr(kernel_count, "counter", counter)
    monkeypatch.setattr(kernel_count, "BUDGET", 2)
    session = types.SimpleNamespace(config=object(), exitstatus=pytest.ExitCode.OK)
    kernel_count.pytest_sessionfinish(session)
    assert session.exitstatus == status
