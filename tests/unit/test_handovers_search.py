"""Words, queries and passages by themselves: a question in plain words finds the sentence that answers it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.handovers.search.passages import best_passage
from apps.handovers.search.query import Term, terms_of
from apps.handovers.search.words import LONGEST, fold, stem, stems_of, words_of


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("schedules", "schedule"), ("dropped", "dropping"), ("Résumé", "resume"), ("CHECKPOINTS", "checkpoint"),
        ("ÜBER", "über"), ("retries", "retry"), ("３", "3"),
    ],
)  # fmt: skip
def test_forms_of_a_word_are_found_as_one(asked: str, written: str) -> None:
    assert stem(asked) == stem(written)


def test_signs_part_words_and_scripts_without_spaces_are_found_sign_by_sign() -> None:
    assert stems_of("lr=3e-4, bert_base/HO-20261124-1300-ab12cd") == [
        "lr", "3e", "4", "bert", "base", "ho", "20261124", "1300", "ab12cd",
    ]  # fmt: skip
    assert stems_of("学習率 down") == ["学", "習", "率", "down"]


def test_what_only_makes_a_question_is_left_out_unless_it_is_all_there_is() -> None:
    asked = terms_of("why did we drop the cosine schedule?")
    assert [term.stems for term in asked] == [("drop",), ("cosin",), ("schedul",)]
    assert [term.stems for term in terms_of("what is it")] == [("what",), ("is",), ("it",)]
    assert [term.stems for term in terms_of('"to be" cosine')] == [("to", "be"), ("cosin",)]


def test_the_last_word_is_unfinished_while_it_is_typed() -> None:
    assert terms_of("cosine sched", typing=True)[-1] == Term((), "sched", "sched")
    assert terms_of("cosine schedules", typing=True)[-1].begins == "schedul"  # what it stands under in the index
    for finished in ("cosine sched ", "cosine sched?", '"cosine sched"'):
        assert not any(term.begins for term in terms_of(finished, typing=True))
    assert terms_of("HO-20261124-13", typing=True) == [Term(("ho", "20261124"), "13", "HO-20261124-13")]


def test_a_query_without_words_has_no_terms_and_a_long_one_few() -> None:
    assert terms_of(' "" !? -- ') == []
    assert len(terms_of(" ".join(f"w{number}" for number in range(500)))) == 12


def passage_of(text: str, asked: str, typing: bool = False) -> tuple[float, list[str]]:
    terms = terms_of(asked, typing=typing)
    found = best_passage(text, terms, dict.fromkeys(terms, 1.0))
    return found.score, [piece.text for piece in found.pieces if piece.marked]


def test_the_passage_is_the_one_in_which_the_terms_stand_together() -> None:
    text = "schedule " + "x " * 400 + "We dropped\nthe cosine schedule: no gain. " + "y " * 400 + "cosine"
    score, marked = passage_of(text, "why did we drop the cosine schedule?")
    assert marked == ["dropped", "cosine", "schedule"]
    assert score > passage_of("cosine " + "x " * 400 + "schedule", "cosine schedule")[0]
    assert best_passage(text, terms_of("cosine"), dict.fromkeys(terms_of("cosine"), 1.0)).line == 2


def test_a_phrase_counts_only_as_a_whole_and_a_beginning_finds_its_words() -> None:
    assert passage_of("gradient checkpointing", '"gradient checkpointing"')[1] == ["gradient checkpointing"]
    assert passage_of("gradient and checkpointing", '"gradient checkpointing"') == (0.0, [])
    assert passage_of("the Résumé, resumed", "resum", typing=True)[1] == ["Résumé", "resumed"]
    assert passage_of("lr 3e-4 and lr=3e-5", "lr=3e-", typing=True)[1] == ["lr 3e", "lr=3e"]
    assert passage_of("unresumed", "resumed") == (0.0, [])


@given(st.text(max_size=300))
def test_a_folded_text_has_every_sign_where_it_stood(text: str) -> None:
    assert len(fold(text)) == len(text)


@given(st.text(max_size=300), st.text(max_size=40), st.booleans())
def test_whatever_is_asked_of_whatever_text_is_answered(text: str, asked: str, typing: bool) -> None:
    terms = terms_of(asked, typing=typing)
    found = best_passage(text, terms, dict.fromkeys(terms, 1.0))
    assert found.score >= 0
    assert all(stem and len(stem) <= LONGEST and stem.isalnum() for term in terms for stem in term.stems)
    assert [word.stem for word in words_of(text)] == stems_of(text)


@given(st.lists(st.sampled_from(["cosine", "schedule", "drop", "loss", "Résumé"]), min_size=1, max_size=30))
def test_every_word_of_a_text_is_found_in_it(words: list[str]) -> None:
    text = " ".join(words)
    for word in words:
        assert word in passage_of(text, word)[1]
