"""Video conferences (视频会议): what the words mean and what follows from what; pure, time is an argument.

Names follow RFC 4575 (state), RFC 5239 (XCON) and RFC 8855 (floors); docs/decisions/0020-conference.md says why it is built so.
"""
