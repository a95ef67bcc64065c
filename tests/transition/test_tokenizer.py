"""Texts to token ids."""

import string

import pytest

from wm_gym.transition.tokenizer import START, fold, tokenize, train_tokenizer

TEXTS = ("turn left", "turn right", "go forward", "")


def test_every_text_opens_with_the_start_token() -> None:
    tokenizer = train_tokenizer(TEXTS)
    ids, real = tokenize(tokenizer, list(TEXTS))
    assert ids[:, 0].tolist() == [tokenizer.token_to_id(START)] * 4
    assert bool(real[:, 0].all())


def test_empty_text_has_a_real_token() -> None:
    ids, real = tokenize(train_tokenizer(TEXTS), [""])
    assert ids.shape[1] >= 1
    assert bool(real.all())


def test_padding_is_marked() -> None:
    ids, real = tokenize(train_tokenizer(TEXTS), ["", "an unknown and longer text"])
    alone, _ = tokenize(train_tokenizer(TEXTS), [""])
    assert real.sum(dim=1).tolist() == [alone.shape[1], ids.shape[1]]


def test_every_printable_text_survives_the_round_trip() -> None:
    tokenizer = train_tokenizer(TEXTS)
    for text in (string.printable, "go forward", "!" * 256):
        ids, _ = tokenize(tokenizer, [text])
        assert tokenizer.decode(ids[0, 1:].tolist()).lstrip(" ") == fold(text)


def test_different_texts_have_different_ids() -> None:
    tokenizer = train_tokenizer(TEXTS)
    rows = {tuple(tokenize(tokenizer, [text])[0][0].tolist()) for text in (*TEXTS, "turnleft", "turn left.")}
    assert len(rows) == len(TEXTS) + 2


@pytest.mark.parametrize("text", ["Turn Left", " turn  left", "turn left\n"])
def test_case_and_surplus_spaces_do_not_matter(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS)
    assert tokenize(tokenizer, [text])[0].tolist() == tokenize(tokenizer, ["turn left"])[0].tolist()


def test_case_of_the_training_texts_does_not_matter() -> None:
    assert train_tokenizer(["TURN LEFT"]).get_vocab() == train_tokenizer(["turn left"]).get_vocab()


def test_order_and_repeats_of_the_texts_do_not_matter() -> None:
    forward, backward = train_tokenizer(TEXTS), train_tokenizer([*reversed(TEXTS), "turn left"])
    assert forward.get_vocab() == backward.get_vocab()


def test_vocabulary_size_is_bounded() -> None:
    assert 257 <= train_tokenizer(TEXTS).get_vocab_size() <= 512


def test_longest_action_fits_the_action_encoder() -> None:
    ids, _ = tokenize(train_tokenizer([""]), ["~" * 256])
    assert ids.shape[1] <= 320
