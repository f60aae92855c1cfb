"""The public functions, by topic. `babelrank` exports them, and loads a module when one of its names is first used."""
