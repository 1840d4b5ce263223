"""The most that one picture's metadata may cost: bytes, characters, JSON values, graph nodes."""

MAX_PROMPT_LENGTH = 20_000  # characters; a longer text is not taken for a prompt
MAX_FIELD_LENGTH = 300  # characters of a model's, a LoRA's or a sampler's name; longer ones are cut
MAX_LORAS = 64

MAX_TEXT = 8 * 2**20  # bytes of one text, decompressed; a larger one is skipped
MAX_TEXTS = 16 * 2**20  # bytes of all texts of a file together; the rest is skipped
MAX_READ = 32 * 2**20  # bytes that are read for texts, those of overlapping texts several times
MAX_SETTINGS = 2**20  # characters of a settings text
MAX_XMP = 2 * 2**20  # bytes of an XMP packet
MAX_ENTRIES = 512  # texts of one file
MAX_BLOCKS = 100_000  # chunks, segments or boxes of a file that are walked over
MAX_EXIF = 8 * 2**20  # bytes of an EXIF block

MAX_JSON_VALUES = 500_000  # values of one JSON text, by its commas and brackets
MAX_NAMES = 2000  # names of one JSON object that are looked at, but for graphs
MAX_NODES = 20_000  # nodes of one ComfyUI graph
MAX_BOXES = 4096  # of one level of AVIF, HEIC and JPEG XL, and items of a picture
MAX_STRING_DEPTH = 64  # text nodes behind one another

MAX_STEALTH_PIXELS = 20_000_000  # a larger picture is not decoded again for text in its pixels
