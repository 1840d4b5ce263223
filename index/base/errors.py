"""The errors a user may see; each says what was wanted, what was got, and what mends it."""


class UnpromptError(Exception):
    """Base of every error that bad input or a broken file can cause; the CLI exits 1 on it."""


class ConfigError(UnpromptError):
    """A setting that cannot work, or an unknown one."""


class MissingDependencyError(UnpromptError):
    """A library that an extra brings is not installed; the message has the install line."""


class UnreadableImageError(UnpromptError):
    """A file that is not a picture, is cut short, or is too large to open safely."""


class UnsupportedPictureError(UnpromptError):
    """A value that is no picture: not a path, bytes, an open file, a Pillow image or an array."""


class PromptError(UnpromptError):
    """A prompt that a renderer cannot draw."""


class CorpusError(UnpromptError):
    """A prompt file or table without what it must hold."""


class DamagedFileError(UnpromptError):
    """A file of ours whose content does not match what was recorded when it was written."""


class SpaceMismatchError(UnpromptError):
    """Vectors, head and encoder that were not made by the same encoder."""


class TrainingDivergedError(UnpromptError):
    """A loss or gradient that is no number any more."""


class EndpointError(UnpromptError):
    """A chat endpoint that refuses, cannot be reached, or does not answer as it should."""
