"""How loud sounds are made, and in what they are kept: shared by everything that makes a file, without loading a decoder."""

BIT_RATE = 24_000  # 185 kB a minute; speech and music pass it, measured in research/audio §2.2
SPEECH_LUFS = -16.0  # for horns; EBU R128's own −23 LUFS is too soft outdoors
ROUTINE_LUFS = -18.0
CEILING_DBTP = -1.5
