"""A session compiles few kernels: the first `make test` waits for each of them."""

import os
import sys
import types

import kernel_count


def test_what_appears_is_counted_with_its_test(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jittor.compiler", types.SimpleNamespace(cache_path=str(tmp_path)))
    jit = tmp_path / "jit"
    jit.mkdir()
    (jit / "old_op.so").touch()
    os.utime(jit / "old_op.so", (0, 0))
    counter = kernel_count.Counter()
    for number, test in enumerate(("first", "second", "second", "third")):
        if test != "third":
            (jit / f"{number}_op.so").touch()
            (jit / f"{number}_op.so.key").touch()
            os.utime(jit, ns=(0, number))
        counter.look(test)
    assert counter.by_test == {"first": 1, "second": 2}
    assert counter.most(1) == ["   2 second"]


def test_the_session_compiled_no_more_than_its_budget():
    assert kernel_count.counter.by_test.total() <= kernel_count.BUDGET, "\n".join(kernel_count.counter.most(30))
