"""`unprompt make kinds`: settings -> a folder of drawn pictures with captions, and a summary."""

from pathlib import Path

from unprompt.build.kinds.config import KindsConfig
from unprompt.build.kinds.write import write_kinds
from unprompt.index.base.owner import owned
from unprompt.index.texts.json_text import json_text
from unprompt.ui.jobs.progress import choose_progress


def run_kinds(folder: Path, config: KindsConfig, overwrite: bool, as_json: bool) -> None:
    """Draw the pictures, and print how many of which kind there are."""
    with owned(folder, folder.with_name(f"{folder.name}.parquet")):
        table = write_kinds(folder, config, overwrite, choose_progress())
    counts = dict(table["kind"].value_counts(sort=False).sort("kind").iter_rows())
    if as_json:
        print(json_text({"folder": str(folder), "pictures": table.height, "kinds": counts}))
        return
    print(f"{table.height} pictures in {folder}, captions in {folder}.parquet")
    for kind, count in counts.items():
        print(f"  {kind}: {count}")
