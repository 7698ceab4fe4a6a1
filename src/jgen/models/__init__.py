"""One paper, one file, one screen. Nothing lists the models: a script names its own, a run's config.json its own."""
