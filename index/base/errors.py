"""The errors that a user can see: what was wanted, what was found, and how to repair it."""


class UnpromptError(Exception):
    """Base of every error that bad input or a damaged file causes; the command exits with 1."""

    exit_code = 1  # of the command


class ConfigError(UnpromptError):
    """A setting that is invalid or unknown."""


class MissingDependencyError(UnpromptError):
    """A library of an extra is not installed; the message holds the install command."""


class UnreadableImageError(UnpromptError):
    """A file that is no picture, is truncated, or is too large to open safely."""


class UnsupportedPictureError(UnpromptError):
    """A value that is no picture: not a path, bytes, an open file, a Pillow image or an array."""


class PromptError(UnpromptError):
    """A prompt that a renderer cannot draw."""


class CorpusError(UnpromptError):
    """A prompt file or table that lacks required content."""


class DamagedFileError(UnpromptError):
    """A file whose content differs from what was recorded when it was written."""


class OutputInUseError(UnpromptError):
    """Another process, or another thread, writes the same output; the command exits with 75."""

    exit_code = 75  # EX_TEMPFAIL: the same command can succeed later


class ClosedError(UnpromptError):
    """A call on an index or an inverter after its `close`."""


class SpaceMismatchError(UnpromptError):
    """Vectors, a head or an encoder that belong to different encoders."""


class TrainingDivergedError(UnpromptError):
    """A loss or gradient that is not finite."""


class EndpointError(UnpromptError):
    """A chat endpoint that refuses, cannot be reached, or sends an invalid answer."""
