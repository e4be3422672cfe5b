"""What a command line names becomes a system that speaks, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlpo.bundle import Bundle
from dlpo.checkpoint import Tuned, load_checkpoint, save_checkpoint
from dlpo.errors import CheckpointError, InputError
from dlpo.rl.options import OwnChain
from dlpo_bench.clips import Clip
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.systems import System, names_in_folders, open_systems, open_voices
from dlpo_export.weights import round_weights
from dlpo_serving.voices import find_voice

CLIP = Clip("LJ002-0161", "Hum, hum! Hum.", None)


@pytest.fixture
def tuned_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """`tiny_checkpoint` as if it had been tuned on two steps of another chain."""
    base = load_checkpoint(tiny_checkpoint)
    tuned = Tuned("dlpo", "distillmos", "cosine:2", 2, 0.5, 7, base.sha256)
    provenance = replace(base.provenance, tuned=tuned)
    save_checkpoint(tmp_path / "tuned", base.model.state_dict(), base.config, provenance)
    return tmp_path / "tuned"


def one(name: str | Path, speaking: SpeakingOptions | None = None) -> System:
    (candidate,) = open_systems([str(name)], speaking or SpeakingOptions())
    return candidate


def test_checkpoint_says_what_its_bundle_says(
    tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(tiny_checkpoint)
    round_weights(loaded.model, 16)  # as exported
    rounded = tmp_path / "rounded"
    save_checkpoint(rounded, loaded.model.state_dict(), loaded.config, loaded.provenance)
    chain = Bundle.load(tiny_bundle).manifest.noise_schedule
    own = OwnChain(chain.name, chain.eta)
    gain = Bundle.load(find_voice("lj")).manifest.gain  # a checkpoint is at the embedded level
    by_torch = one(rounded, SpeakingOptions((2,), (), own, seeds=2)).takes
    by_onnx = one(tiny_bundle, SpeakingOptions((2,), ("fp32",), seeds=2)).takes
    for ours, theirs in zip(by_torch, by_onnx, strict=True):
        said = theirs(CLIP)
        assert np.std(ours(CLIP) / gain - said) < 0.02 * np.std(said)
    assert np.std(by_torch[0](CLIP) - by_torch[1](CLIP)) > 0.1 * np.std(said)  # other noise


def test_tuned_checkpoint_speaks_on_its_own_chain(tuned_checkpoint: Path) -> None:
    about = one(tuned_checkpoint).about
    assert (about["schedule"], about["eta"], about["steps"]) == ("cosine:2", 0.5, 2)
    assert about["provenance"]["tuned"]["method"] == "dlpo"


def test_a_checkpoint_speaks_with_each_voice_asked_for(voices_checkpoint: Path) -> None:
    asked = SpeakingOptions((1,), voices=("ann", "bob"))
    both = open_systems([f"new={voices_checkpoint}"], asked)
    alone = one(f"new={voices_checkpoint}", SpeakingOptions((1,), voices=("bob",)))

    assert [system.label for system in (*both, alone)] == ["new, ann", "new, bob", "new"]
    assert [system.about["voice"] for system in both] == ["ann", "bob"]
    ann, bob, again = (system.takes[0](CLIP) for system in (*both, alone))
    assert ann.shape != bob.shape or not np.array_equal(ann, bob)
    assert np.array_equal(bob, again)
    with pytest.raises(InputError, match="carl"):
        open_systems([f"new={voices_checkpoint}"], SpeakingOptions(voices=("carl",)))


def test_a_checkpoint_keeps_the_languages_of_its_voices(
    voices_checkpoint: Path, tmp_path: Path
) -> None:
    loaded = load_checkpoint(voices_checkpoint)
    provenance = replace(loaded.provenance, languages={"bob": "es-419"})
    save_checkpoint(tmp_path, loaded.model.state_dict(), loaded.config, provenance)
    ann, bob = open_voices([str(tmp_path)], SpeakingOptions((1,), voices=("ann", "bob")))
    assert ann.synthesizer.manifest.language == "en-US"
    assert bob.synthesizer.manifest.language == "es-419"
    assert not bob.synthesizer.manifest.own_pitch_noise  # it draws no pitch


def test_only_clips_that_every_folder_has_are_said(tmp_path: Path) -> None:
    other = "LJ002-0162"
    for folder, names in (("a", (CLIP.clip_id, other)), ("b", (other,))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.wav").touch()
    found = open_systems([str(tmp_path / "a"), str(tmp_path / "b")], SpeakingOptions())
    assert names_in_folders(found, [CLIP.clip_id, other]) == [other]
    with pytest.raises(InputError, match=r"none of the 1 sentences .*LJ002-0161\.wav"):
        names_in_folders(found, [CLIP.clip_id])


def test_checkpoint_with_other_symbols_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from dlpo.model.build import build_model

    base = load_checkpoint(tiny_checkpoint)
    config = replace(base.config, symbols=500)
    weights = build_model(config).state_dict()
    save_checkpoint(tmp_path / "other", weights, config, base.provenance)
    with pytest.raises(CheckpointError, match="reads 500 symbols, this dlpo knows 99"):
        one(tmp_path / "other")
