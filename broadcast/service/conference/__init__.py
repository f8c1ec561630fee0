"""Video conferences (视频会议): their state, doors, plans, media and records as use cases."""
