"""Image towers that run without torch: exported, loaded, one picture or many."""
