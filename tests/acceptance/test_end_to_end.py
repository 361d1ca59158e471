"""The main job through real processes: folder -> SQL -> Valkey -> worker -> accuracy."""
