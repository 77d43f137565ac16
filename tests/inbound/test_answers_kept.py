"""Kept answers: for their time, and never more than their bounds."""

from __future__ import annotations

from gateway.inbound.answers_kept import MAX_KEPT, MAX_KEPT_BYTES, Asked, KeptAnswers


def test_an_answer_is_kept_for_its_time() -> None:
    now = [0.0]
    kept = KeptAnswers(monotonic=lambda: now[0])
    kept.keep("a", Asked(status=200, answer=b"1"), seconds=10)
    now[0] = 9.9
    assert kept.find("a") == Asked(status=200, answer=b"1", kept=True)
    kept.keep("a", Asked(status=200, answer=b"2"), seconds=10)
    now[0] = 19.8
    assert kept.find("a") == Asked(status=200, answer=b"2", kept=True)
    now[0] = 19.9
    assert kept.find("a") is None


def test_the_longest_unused_go_first() -> None:
    kept = KeptAnswers(monotonic=lambda: 0.0)
    for number in range(MAX_KEPT):
        kept.keep(str(number), Asked(status=200, answer=b"1"), seconds=10)
    assert kept.find("0") is not None
    kept.keep("new", Asked(status=200, answer=b"1"), seconds=10)
    assert kept.find("1") is None
    assert kept.find("0") is not None


def test_large_answers_are_fewer() -> None:
    kept = KeptAnswers(monotonic=lambda: 0.0)
    large = Asked(status=200, answer=b" " * (MAX_KEPT_BYTES // 4))
    for number in range(5):
        kept.keep(str(number), large, seconds=10)
    assert [kept.find(str(number)) is not None for number in range(5)] == [False, True, True, True, True]
    # One that is replaced counts once.
    for _ in range(9):
        kept.keep("4", large, seconds=10)
    assert kept.find("1") is not None
