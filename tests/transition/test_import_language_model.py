"""The command that stores a language model in int8."""

from pathlib import Path

import pytest

from tests.transition.language_models import WIDTH, write_language_model
from wm_gym.transition.import_language_model import main
from wm_gym.transition.language import CARD, COMPACT_WEIGHTS, LanguageModel


def test_the_command_writes_a_model_that_loads(tmp_path: Path) -> None:
    source = write_language_model(tmp_path / "source")
    assert main([str(source), str(tmp_path / "stored"), "--layers", "1", "2"]) == 0
    assert {CARD, COMPACT_WEIGHTS} <= {path.name for path in (tmp_path / "stored").iterdir()}
    model = LanguageModel.from_pretrained(tmp_path / "stored")
    assert (model.layers, model.width) == ((1, 2), 2 * WIDTH)


def test_nothing_to_convert_is_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main([str(tmp_path / "missing"), str(tmp_path / "stored")]) == 2
    assert "language model must be one of ['minilm']" in caplog.text
