"""How a tower runs: exported, in OpenVINO or torch, one picture or many, and checked."""
