"""Mutated files of bundles: each is answered with or refused by a typed error, in little memory.

`python tests/mutated_files.py --faiss 600 --others 200` runs at full size and prints what
happened; tests/test_mutated_files.py runs a few. All files are sealed again, as an attacker would,
so that the readers see them. The cases run in one process, so that a crash of native code ends it.
"""

import argparse
import json
import random
import shutil
import signal
import struct
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from strangers import DIM, WORDS, make_bundle, make_index, seal_lies, unit, write_encoder

from unprompt.index.base.errors import UnpromptError
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.direct_map import map_ids
from unprompt.index.vectors.transforms import inner_index
from unprompt.inversion.compose.phrases import load_bank
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query

FACTORIES = (
    "Flat", "SQ8", "IVF8,SQ8", "IVF8,PQ4x4fs", "HNSW8", "PCAW8,L2norm,SQ8", "IVF8,RaBitQ",
    "HNSW8_SQ8", "SQ8,RFlat", "OPQ4_8,IVF4_HNSW4,PQ4", "RaBitQfs", "IVF8,Flat", "PQ4x4fs",
    "RaBitQ", "PQ4x4",
)  # fmt: skip
OTHERS = (
    "encoder/tower.xml", "index/targets.npy", "index/rows.sqlite", "index/rows.parquet",
    "encoder/encoder.json", "index/manifest.json", "head/head.safetensors", "head/config.json",
    "blend.json", "confidence.json", "phrases/phrases.json", "phrases/phrases.npy",
    "index/keys.npy", "bundle.json",
)  # fmt: skip
HANG = 10  # seconds of the processor; other work on the machine does not count
NUMBERS = (0, -1, 1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**32, 2**40)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, "", "../x", "%9999999d", [], {}, [[[[]]]], "x" * 100_000,
)  # fmt: skip
RED = Image.new("RGB", (20, 20), "red")


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Change, cut or repeat a few bytes, most often near the start, where headers are."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        end = min(len(found), chance.choice((64, 200, 600, len(found))))
        place = chance.randrange(max(1, end - 8))
        kind = chance.randrange(6)
        if kind == 0:
            found[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            found[place : place + 4] = struct.pack("<q", chance.choice(NUMBERS))[:4]
        elif kind == 2:
            found[place : place + 8] = struct.pack("<q", chance.choice(NUMBERS))
        elif kind == 3:
            del found[chance.randrange(1, len(found)) :]
        elif kind == 4:
            found[place:place] = found[place : place + chance.randrange(1, 64)]
        else:
            found[place : place + 4] = struct.pack("<f", chance.choice((np.nan, np.inf, -1e38, 0)))
    return bytes(found)


def mutate_json(content: bytes, chance: random.Random) -> bytes:
    """Exchange a value somewhere for one of another kind, or leave one out."""
    value = json.loads(content)
    inner = value
    while isinstance(inner, dict | list) and inner:
        key = chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[key], dict | list) or not inner[key] or chance.random() < 0.3:
            if chance.random() < 0.15:
                del inner[key]
            else:
                inner[key] = chance.choice(VALUES)
            break
        inner = inner[key]
    return json.dumps(value).encode()


def mutate_text(content: bytes, chance: random.Random) -> bytes:
    """Exchange numbers, words or lines of a text such as XML."""
    lines = content.decode().split("\n")
    for _ in range(chance.choice((1, 1, 3))):
        place = chance.randrange(len(lines))
        words = lines[place].split('"')
        kind = chance.randrange(4)
        if kind == 0:
            del lines[place]
        elif kind == 1 and len(words) > 2:
            words[chance.randrange(1, len(words), 2)] = chance.choice(
                ("0", "-1", "99999999999", "f64", "TensorIterator", "MatMul", "?,?", "u1", "")
            )
            lines[place] = '"'.join(words)
        elif kind == 2:
            number = str(chance.choice(NUMBERS))
            lines[place] = lines[place].replace("192", number).replace("16", number)
        else:
            lines[place : place + 1] = [lines[place]] * 2
        if not lines:
            break
    return "\n".join(lines).encode()


class Outcomes:
    """What happened, by kind; faults with the place that raised them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def try_out(self, name: str, act: Callable[[], object]) -> None:
        """Run `act`, which may raise an UnpromptError and nothing else, within `HANG` seconds."""
        begun = time.process_time()
        signal.alarm(6 * HANG)  # of a machine with other work
        try:
            act()
            self.counts["answered"] += 1
        except UnpromptError:
            self.counts["refused"] += 1
        except Exception as error:
            self.counts[type(error).__name__] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            self.faults.append(f"{name}: {type(error).__name__} {error} at {place}"[:400])
        finally:
            signal.alarm(0)
        if time.process_time() - begun > HANG:
            self.faults.append(f"{name}: {time.process_time() - begun:.0f} s")


def try_faiss(folder: Path, count: int, seed: int = 0) -> Outcomes:
    """Mutate `count` FAISS files of all factories; search them and read their rows."""
    found, each = Outcomes(), -(-count // len(FACTORIES))
    for factory in FACTORIES:
        place = folder / factory.replace(",", "_")
        make_index(place, factory, 300)
        path, manifest = place / "index.faiss", PromptIndex.load(place).manifest
        whole = path.read_bytes()
        for number in range(min(each, count)):
            path.unlink()
            path.write_bytes(mutate(whole, random.Random(f"{seed} {factory} {number}")))

            def ask() -> None:
                index = PromptIndex(place, manifest)  # noqa: B023
                index.search(unit(4, DIM, 9), 5)
                index.search(unit(1, DIM, 8), 300)
                index.keys_of(np.arange(20).reshape(2, 10))
                map_ids(inner_index(index.vectors))

            found.try_out(f"{factory} {number}", ask)
        count -= each
        if count <= 0:
            break
    return found


def try_others(folder: Path, count: int, seed: int = 0) -> Outcomes:
    """Mutate `count` other files of a bundle in turn; ask the bundle about a picture."""
    found, whole = Outcomes(), make_bundle(folder / "whole")
    for number in range(count):
        name = OTHERS[number % len(OTHERS)]
        bundle = folder / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.copytree(whole, bundle)
        path, chance = bundle / name, random.Random(f"{seed} {name} {number}")
        content = path.read_bytes()
        if name.endswith(".json") and chance.random() < 0.7:
            path.write_bytes(mutate_json(content, chance))
        elif name.endswith(".xml"):
            path.write_bytes(mutate_text(content, chance))
        else:
            path.write_bytes(mutate(content, chance))
        if name.endswith(".xml"):
            write_encoder(bundle / "encoder")
        if name not in ("bundle.json", "index/manifest.json"):
            seal_lies(bundle)

        def ask() -> None:
            inverter = Inverter.load(bundle, threads=1)  # noqa: B023
            inverter.invert(RED, Query(compose=False))
            assert inverter.index.rows.height
            load_bank(bundle / "phrases", WORDS)  # noqa: B023

        found.try_out(f"{name} {number}", ask)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faiss", type=int, default=30)
    parser.add_argument("--others", type=int, default=28)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for what, outcomes in (
            ("FAISS", try_faiss(Path(place) / "faiss", asked.faiss, asked.seed)),
            ("others", try_others(Path(place) / "others", asked.others, asked.seed)),
        ):
            print(f"{what}: {dict(outcomes.counts)}", *outcomes.faults, sep="\n  ", flush=True)
    status = Path("/proc/self/status").read_text()  # ru_maxrss counts the parent before the exec
    print(f"peak {int(status.partition('VmHWM:')[2].split()[0]) / 1024:.0f} MB")


if __name__ == "__main__":
    main()
