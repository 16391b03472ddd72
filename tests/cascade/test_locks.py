"""BLAS within batches: one thread while any of them runs, and always where a server asks for it."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from shortlist.cascade.locks import SingleThreadedBlas


def _threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_one_thread_until_the_last_batch_ends() -> None:
    blas = SingleThreadedBlas()
    with threadpool_limits(2, "blas"):
        before = _threads()
        with blas():
            with blas():
                assert _threads() == {1}
            assert _threads() == {1}
        assert _threads() == before


def test_a_server_keeps_blas_at_one_thread() -> None:
    blas = SingleThreadedBlas()
    with threadpool_limits(2):  # takes back what is set below
        blas.keep()
        assert _threads() == {1}
        with blas(), blas():
            assert _threads() == {1}
        assert _threads() == {1}
