"""The public functions, by topic. `babelrank` exports them and imports each module when a name in it is first used."""
