"""A FAISS factory string -> its parts, and the bytes that an index of n rows takes.

`PCAW256,L2norm,IVF4096_HNSW32,PQ64x4fs` names the transforms in front, how rows are found, and the
code that stores one row. No other file reads these strings. Nothing is built: the sizes follow from
how FAISS stores rows, lists and graphs.
"""

import re
from dataclasses import dataclass

from unprompt.index.base.errors import ConfigError

FLOAT, ID = 4, 8  # bytes
HEADER = 160  # names, counts and flags of the parts
FAST_SCAN_BLOCK = 32  # rows that fast-scan codes are padded to
KNOWN = (
    "PCA64, PCAR64, PCAW64, OPQ16, OPQ16_64, RR64, L2norm in front; Flat, SQ8, SQ6, SQ4, SQfp16, "
    "SQbf16, SQ8_direct, PQ16, PQ16x4, PQ16x4fs, RaBitQ, RaBitQfs, alone or after IVF1024 or "
    "IVF1024_HNSW32; HNSW32, HNSW32_SQ8; RFlat or Refine(SQ8) at the end"
)
SCALAR_BITS = {"SQ8": 8, "SQ6": 6, "SQ4": 4, "SQ8_direct": 8, "SQfp16": 16, "SQbf16": 16}
TRAINED_SCALARS = ("SQ8", "SQ6", "SQ4")  # they store a range per dimension
TRANSFORM = re.compile(r"(L2norm)|(PCA)(W?)R?(\d+)|(OPQ)\d+(?:_(\d+))?|(RR)(\d+)")
LISTS = re.compile(r"IVF(\d+)(?:_HNSW(\d+)|\(HNSW(\d+)(?:,Flat)?\))?")
GRAPH = re.compile(r"HNSW(\d*)(?:_(.+))?")
REFINEMENT = re.compile(r"R(Flat)|Refine\((.+)\)")
PRODUCT_CODE = re.compile(r"PQ(\d+)(?:x(\d+))?(fsr?|np)?")


@dataclass(frozen=True)
class Transform:
    """A vector transform in front of the index."""

    kind: str  # L2norm, PCA, OPQ or RR
    width: int | None = None  # dimensions after it; None: as many as before
    whitens: bool = False

    def dim_after(self, dim: int) -> int:
        """Dimensions that it makes of `dim`."""
        return self.width or dim

    def size_bytes(self, dim: int) -> int:
        """Bytes of its matrices, for vectors of `dim` numbers."""
        width = self.dim_after(dim)
        if self.kind == "PCA":
            eigenvectors = 0 if self.whitens else dim * dim  # training clears those of a whitening
            return FLOAT * (width * dim + width + 2 * dim + eigenvectors)
        return 0 if self.kind == "L2norm" else FLOAT * width * dim


@dataclass(frozen=True)
class FactoryString:
    """The parts of a factory string. What this project does not know is in `unknown` or `code`."""

    text: str
    transforms: tuple[Transform, ...]
    lists: int | None  # inverted lists (IVF)
    links: int | None  # HNSW links per node: of rows, or of the centroids where there are lists
    unknown: tuple[str, ...]  # parts before the code
    code: str  # how a row is stored, e.g. `PQ64x4fs`; empty where the string ends too early
    refinement: str | None  # the code that FAISS rescores candidates by

    @property
    def is_exact(self) -> bool:
        """Whether every row is compared by its uncompressed vector."""
        return self.code == "Flat" and not (self.lists or self.links or self.unknown)

    @property
    def is_packed(self) -> bool:
        """Whether the index file ends with fast-scan codes, which FAISS maps in another way."""
        return self.text.endswith(("fs", "fsr"))

    @property
    def codewords(self) -> int:
        """Centroids per product-quantizer codebook; 0 without a product quantizer."""
        match = PRODUCT_CODE.match(self.code)
        return 2 ** int(match[2] or 8) if match else 0

    def size_bytes(self, rows: int, dim: int) -> int:
        """Bytes of an index of `rows` keys of `dim` numbers: its file, and as much once loaded.

        Raises ConfigError for a factory string with parts whose size is not known.
        """
        size, width = HEADER, dim
        for transform in self.transforms:
            size += transform.size_bytes(width)
            width = transform.dim_after(width)
        code = _code(self.code, width)
        refinement = _code(self.refinement, dim) if self.refinement else Code(0)
        if code is None or refinement is None or self.unknown:
            raise ConfigError(
                f"no size is known for the factory string {self.text!r}; known are {KNOWN}"
            )
        size += refinement.size_bytes(rows)
        if self.lists is None:
            return size + code.size_bytes(rows) + _graph_bytes(rows, self.links)
        # each list has its length, a centroid, and half a block of padding on average
        padding = code.block // 2 * code.row_bytes
        size += self.lists * (ID + FLOAT * width + padding) + _graph_bytes(self.lists, self.links)
        return size + rows * (code.row_bytes + ID) + code.fixed_bytes


@dataclass(frozen=True)
class Code:
    """What the rows of an index take in one code."""

    row_bytes: int
    fixed_bytes: int = 0  # per index: codebooks, ranges
    block: int = 1  # rows are padded to a multiple of it

    def size_bytes(self, rows: int) -> int:
        """Bytes of `rows` rows stored one after the other."""
        return -(-rows // self.block) * self.block * self.row_bytes + self.fixed_bytes


def parse_factory(text: str) -> FactoryString:
    """Split a factory string into its parts; any text is accepted."""
    text = text.strip()
    parts = re.split(r",(?![^()]*\))", text)
    transforms: list[Transform] = []
    while parts and (match := TRANSFORM.fullmatch(parts[0])):
        norm, pca, whitens, pca_dim, opq, opq_dim, rr, rr_dim = match.groups()
        width = pca_dim or opq_dim or rr_dim
        kind = norm or pca or opq or rr
        transforms.append(Transform(kind, int(width) if width else None, bool(whitens)))
        parts.pop(0)
    refinement = lists = links = None
    if len(parts) > 1 and (match := REFINEMENT.fullmatch(parts[-1])):
        refinement = match[1] or match[2]
        parts.pop()
    if parts and (match := LISTS.fullmatch(parts[0])):
        lists, links = int(match[1]), match[2] or match[3]
        parts.pop(0)
    elif parts and (match := GRAPH.fullmatch(parts[0])):
        links, code = match[1] or 32, match[2]
        parts = [code, *parts[1:]] if code else parts[1:] or ["Flat"]
    return FactoryString(
        text=text,
        transforms=tuple(transforms),
        lists=lists,
        links=int(links) if links else None,
        unknown=tuple(parts[:-1]),
        code=parts[-1] if parts else "",
        refinement=refinement,
    )


def _code(name: str, dim: int) -> Code | None:
    """The size of a code of vectors of `dim` numbers; None where it is not known."""
    if name == "Flat":
        return Code(FLOAT * dim)
    if name in SCALAR_BITS:
        ranges = 2 * FLOAT * dim if name in TRAINED_SCALARS else 0
        return Code(-(-SCALAR_BITS[name] * dim // 8), ranges)
    if name in ("RaBitQ", "RaBitQfs"):  # a bit per number, and two factors
        block = FAST_SCAN_BLOCK if name == "RaBitQfs" else 1
        return Code(-(-dim // 8) + 2 * FLOAT, FLOAT * dim, block)
    match = PRODUCT_CODE.fullmatch(name)
    if match is None:
        return None
    subquantizers, bits = int(match[1]), int(match[2] or 8)
    fast_scan = (match[3] or "").startswith("fs")
    if fast_scan and bits != 4:
        return None
    codebooks = FLOAT * dim * 2**bits
    return Code(-(-subquantizers * bits // 8), codebooks, FAST_SCAN_BLOCK if fast_scan else 1)


def _graph_bytes(nodes: int, links: int | None) -> int:
    """Level, offset and links per node; one node in `links` has a second level."""
    if links is None:
        return 0
    return round(nodes * (FLOAT + ID + FLOAT * (2 * links + links / (links - 1))))
