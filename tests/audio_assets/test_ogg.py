from pathlib import Path

import pytest

from audio_assets.announcement import finish
from audio_assets.ogg import NoOggOpus, duration_ms
from audio_assets.tones import ToneId, melody, tone


@pytest.mark.parametrize("pcm", [melody(), tone(ToneId.CHIME), tone(ToneId.ATTENTION).slice_ms(0, 1_234)])
def test_the_length_of_a_file_is_read_without_decoding_it(pcm: object, tmp_path: Path) -> None:
    made = finish(pcm)  # type: ignore[arg-type]
    path = tmp_path / "one.opus"
    path.write_bytes(made.data)
    assert duration_ms(path) == made.duration_ms


@pytest.mark.parametrize("data", [b"", b"OggS", b"RIFF" + bytes(100), b"OggS" + bytes(30) + b"OpusHead" + bytes(40)])
def test_what_is_no_ogg_opus_has_no_length(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "one.opus"
    path.write_bytes(data)
    with pytest.raises(NoOggOpus):
        duration_ms(path)
